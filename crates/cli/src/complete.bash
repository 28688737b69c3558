
# Bash ends words at colons, which names of models have. This joins such words, and offers what follows the last colon.
_mlxk() {
    local line=${COMP_LINE:0:COMP_POINT} words=() start= word= i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i == 0 || $line == [[:space:]]* ]]; then
            line=${line#"${line%%[![:space:]]*}"}
            words+=("")
        fi
        start=${words[${#words[@]} - 1]}
        # The cursor may be inside of the last word.
        [[ $line == "$word"* ]] || word=$line
        line=${line#"$word"}
        words[${#words[@]} - 1]=$start$word
    done
    if [[ $word =~ ^[:=]+$ ]]; then
        start+=$word
    fi
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    _clap_complete_mlxk "$1" "$start$2" "$3"
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]:${#start}}
    done
}
