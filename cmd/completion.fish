function __varve_keep --description 'what is named already says what there is to offer'
    switch $argv[1]
        case --repo -r --config --key-file
            set -a __varve_given $argv[1] (string replace -r '^~/' "$HOME/" -- $argv[2])
    end
end

function __varve_walk --description 'where the words before the cursor lead'
    set -g __varve_place ''
    set -g __varve_count 0
    set -g __varve_given
    set -l words (commandline -opc)
    set -g __varve_program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l option ''
    set -l ended no
    for word in $words[2..-1]
        if test -n "$option"
            __varve_keep $option "$word"
            set option ''
        else if test $ended = yes; or not string match -q -r -- '^-.' "$word"
            if __varve_has_commands "$__varve_place"
                set __varve_place (string trim -- "$__varve_place $word")
            else
                set __varve_count (math $__varve_count + 1)
            end
        else if string match -q -r -- '^--$' "$word"
            set ended yes
        else if string match -q -r -- '^--[^=]+=' "$word"
            __varve_keep (string split -m 1 = -- "$word")
        else if string match -q -r -- '^(--.*|-.)$' "$word"
            __varve_takes_value "$__varve_place" "$word"; and set option "$word"
        else
            set -l letter (string sub -l 2 -- "$word")
            __varve_takes_value "$__varve_place" $letter
            and __varve_keep $letter (string sub -s 3 -- "$word")
        end
    end
end

function __varve_at --description 'are these the commands so far?'
    __varve_walk
    test "$__varve_place" = "$argv[1]"
end

function __varve_argument --description 'does argument N of these commands stand at the cursor, or a later one?'
    __varve_at $argv[1]; or return 1
    test $__varve_count -eq $argv[2]
    or begin
        test "$argv[3]" = more; and test $__varve_count -gt $argv[2]
    end
end

function __varve_list --description 'names of the configuration or the repository'
    __varve_walk
    $__varve_program completion --list $argv[1] $__varve_given 2>/dev/null </dev/null
end

function __varve_offer --description 'values of a kind'
    switch $argv[1]
        case directory
            __fish_complete_directories
        case repository
            __varve_list repositories
            __fish_complete_directories
        case job
            __varve_list jobs
        case snapshot
            __varve_list snapshots
        case command
            __fish_complete_command
        case host
            __fish_print_hostnames
    end
end
