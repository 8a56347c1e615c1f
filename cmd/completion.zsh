# _varve_list LIST: names of this host's configuration or repository.
_varve_list()
{
    local line
    local -a lines
    for line in ${(f)"$(_call_program "varve-$1" ${(q)_varve_program} completion --list $1 \
        ${(q)_varve_given} 2>/dev/null </dev/null)"}; do
        lines+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe -V -t $1 ${1%s} lines
}

# _varve_offer KIND: values of a kind.
_varve_offer()
{
    case $1 in
    (file) _files ;;
    (directory) _files -/ ;;
    (repository)
        _alternative 'repositories:repository: _varve_list repositories' \
            'directories:directory:_files -/'
        ;;
    (job) _varve_list jobs ;;
    (snapshot) _varve_list snapshots ;;
    (command) _command_names -e ;;
    (host) _hosts ;;
    (*) _message -e value value ;;
    esac
}

# _varve_complete PLACE: $words begins with the last word of the place.
_varve_complete()
{
    local place=$1 state line ret=1
    local -a _varve_commands _varve_specs _varve_globals
    _varve_table "$place"
    if (( ! $#_varve_commands )); then
        _arguments -s -S $_varve_specs $_varve_globals
        return
    fi
    _arguments -s -S -C $_varve_globals '(-): :->command' '(-)*:: :->argument' && ret=0
    case $state in
    (command) _describe -t commands "varve command" _varve_commands && ret=0 ;;
    (argument) _varve_complete "${place:+$place }$words[1]" && ret=0 ;;
    esac
    return ret
}

# The configuration, repository and key file that are named already say what there is to offer.
_varve()
{
    local curcontext=$curcontext _varve_program=${${(Q)words[1]}/#\~\//$HOME/} word='' option=''
    local -a _varve_given
    typeset -A opt_args
    for word in "${(@Q)words[2,CURRENT-1]}"; do
        if [[ -n $option ]]; then
            _varve_given+=($option "${word/#\~\//$HOME/}")
            option=''
            continue
        fi
        case $word in
        (--repo|-r|--config|--key-file) option=$word ;;
        (--repo=*|--config=*|--key-file=*) _varve_given+=(${word%%=*} "${${word#*=}/#\~\//$HOME/}") ;;
        (-r?*) _varve_given+=(-r "${${word#-r}/#\~\//$HOME/}") ;;
        esac
    done
    _varve_complete ''
}

# Autoloaded as a function of that name, or read by 'source' and 'eval'.
if [[ ${funcstack[1]} == _varve ]]; then
    _varve "$@"
else
    compdef _varve varve
fi
