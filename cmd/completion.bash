# _varve_list LIST WORD: names of this host's configuration or repository that begin with WORD.
_varve_list()
{
    local name
    while IFS=$'\t' read -r name _; do
        [[ $name == "$2"* ]] && COMPREPLY+=("$name")
    done < <("$_varve_program" completion --list "$1" "${_varve_given[@]}" 2>/dev/null </dev/null)
}

# _varve_generate WORD OPTION...: what compgen makes of these, without mistaking blanks for ends.
_varve_generate()
{
    local line
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(compgen "${@:2}" -- "$1")
}

# _varve_offer KIND WORD: values of a kind.
_varve_offer()
{
    case $1 in
    words\ *) _varve_generate "$2" -W "${1#words }" ;;
    file)
        compopt -o filenames 2>/dev/null
        _varve_generate "$2" -f
        ;;
    directory)
        compopt -o filenames 2>/dev/null
        _varve_generate "$2" -d
        ;;
    repository)
        compopt -o filenames 2>/dev/null
        _varve_list repositories "$2"
        _varve_generate "$2" -d
        ;;
    job) _varve_list jobs "$2" ;;
    snapshot)
        compopt -o nosort 2>/dev/null
        [[ $2 == *:* ]] || _varve_list snapshots "$2"
        ;;
    command) _varve_generate "$2" -c ;;
    host) _varve_generate "$2" -A hostname ;;
    esac
}

# _varve_split: the words of the line as varve will see them in _varve_words, the one at the cursor in
# _varve_word: bash takes '=', ':' and '@' for words of their own.
_varve_split()
{
    local rest=${COMP_LINE:0:COMP_POINT} blank word i
    _varve_words=()
    for ((i = 0; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        blank=${rest%%[![:blank:]]*}
        rest=${rest#"$blank"}
        rest=${rest#"$word"}
        if [[ $i -gt 0 && -z $blank ]]; then
            _varve_words[${#_varve_words[@]} - 1]+=$word
        else
            _varve_words+=("$word")
        fi
    done
    blank=${rest%%[![:blank:]]*}
    _varve_word=${rest#"$blank"}
    if [[ -z $blank && ${#_varve_words[@]} -gt 1 ]]; then
        _varve_word=${_varve_words[-1]}$_varve_word
        unset '_varve_words[-1]'
    fi
}

# _varve_keep OPTION VALUE: the configuration, repository and key file that are named already say what there
# is to offer.
_varve_keep()
{
    case $1 in
    --repo | -r | --config | --key-file) _varve_given+=("$1" "${2/#\~\//$HOME/}") ;;
    esac
}

# _varve_walk: where the words lead: the place, the option whose value comes next, arguments so far.
_varve_walk()
{
    local word
    for word in "${_varve_words[@]:1}"; do
        if [[ -n $_varve_option ]]; then
            _varve_keep "$_varve_option" "$word"
            _varve_option=''
        elif [[ -z $_varve_ended && $word == -- ]]; then
            _varve_ended=yes
        elif [[ -z $_varve_ended && $word == --*=* ]]; then
            _varve_keep "${word%%=*}" "${word#*=}"
        elif [[ -z $_varve_ended && ($word == --* || $word == -?) ]]; then
            _varve_value "$_varve_place" "$word"
            [[ -z $_varve_kind ]] || _varve_option=$word
        elif [[ -z $_varve_ended && $word == -?* ]]; then
            _varve_value "$_varve_place" "${word:0:2}"
            [[ -z $_varve_kind ]] || _varve_keep "${word:0:2}" "${word:2}"
        elif [[ -n $_varve_commands ]]; then
            _varve_place+=${_varve_place:+ }$word
            _varve_table "$_varve_place"
        else
            _varve_count=$((_varve_count + 1))
        fi
    done
}

# _varve_argument: of what kind the argument at the cursor is.
_varve_argument()
{
    local last=$((${#_varve_arguments[@]} - 1))
    _varve_kind=''
    if [[ $last -ge 0 && $_varve_count -le $last ]]; then
        _varve_kind=${_varve_arguments[_varve_count]}
    elif [[ $last -ge 0 && ${_varve_arguments[last]} == *'*' ]]; then
        _varve_kind=${_varve_arguments[last]}
    fi
    _varve_kind=${_varve_kind%'*'}
}

_varve()
{
    local _varve_commands _varve_options _varve_kind='' _varve_place='' _varve_option='' _varve_ended=''
    local _varve_word='' _varve_broken='' _varve_count=0 _varve_program=${1/#\~\//$HOME/} typed prefix='' i
    local -a _varve_words=() _varve_given=() _varve_arguments=()
    COMPREPLY=()
    _varve_split
    _varve_table ''
    _varve_walk
    typed=$_varve_word
    if [[ -n $_varve_option ]]; then
        _varve_value "$_varve_place" "$_varve_option"
        _varve_offer "$_varve_kind" "$typed"
    elif [[ -z $_varve_ended && $typed == --*=* ]]; then
        _varve_value "$_varve_place" "${typed%%=*}"
        prefix=${typed%%=*}=
        typed=${typed#*=}
        _varve_offer "$_varve_kind" "$typed"
    elif [[ -z $_varve_ended && $typed == -* ]]; then
        _varve_generate "$typed" -W "$_varve_options"
    elif [[ -n $_varve_commands ]]; then
        _varve_generate "$typed" -W "$_varve_commands"
    else
        _varve_argument
        _varve_offer "$_varve_kind" "$typed"
    fi
    # Readline replaces only what stands behind the last of its own word breaks.
    [[ -n $prefix && $COMP_WORDBREAKS == *=* ]] || typed=$prefix$typed
    _varve_break "$typed"
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        [[ -n $prefix && $COMP_WORDBREAKS != *=* ]] && COMPREPLY[i]=$prefix${COMPREPLY[i]}
        COMPREPLY[i]=${COMPREPLY[i]#"$_varve_broken"}
    done
}

# _varve_break WORD: into _varve_broken: its part up to the last character that readline breaks words at.
_varve_break()
{
    local breaks='' character
    for character in = : @; do
        [[ $COMP_WORDBREAKS == *"$character"* ]] && breaks+=$character
    done
    _varve_broken=''
    [[ -z $breaks || $1 != *["$breaks"]* ]] || _varve_broken=${1%"${1##*["$breaks"]}"}
}

complete -F _varve varve
