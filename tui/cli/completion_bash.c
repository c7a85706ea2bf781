/* completion_bash: the script for bash. Reads the line as the program does: options anywhere, a value after
 * the option or after its '=' (where readline breaks the word), operands counted. Needs no bash-completion.
 */
#include "cli/completion.h"
#include <string.h>

static void option_words(FILE *out, const struct hb_cli_option *o, int max) {
        for (int i = 0; i < max && o[i].name; i++)
                fprintf(out, " --%s", o[i].name);
}

static void options_table(FILE *out) {
        fputs("# COMMAND. Sets options.\n_harbinger_options() {\n  case $1 in\n", out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                fprintf(out, "    '%s') options='", hb_cli_commands[i]->name);
                option_words(out, hb_cli_commands[i]->options, HB_CLI_MAX_OPTIONS);
                fputs("' ;;\n", out);
        }
        fputs("    *) options= ;;\n  esac\n  options+='", out);
        option_words(out, hb_cli_common, HB_CLI_MAX_OPTIONS);
        fputs("'\n}\n", out);
}

static void first_word(FILE *out, const char *word, size_t n, const struct hb_cli_command *row, bool group) {
        fprintf(out, " %.*s", (int)n, word);
}

static const char offer[] =
        "# Words and sources, as in the tables: into COMPREPLY, what begins with $word.\n"
        "_harbinger_offer() {\n"
        "  local item names\n"
        "  for item in $1; do\n"
        "    case $item in\n"
        "      -) names=() ;;\n"
        "      @files) compopt -o filenames 2>/dev/null; mapfile -t names < <(compgen -f -- \"$word\") ;;\n"
        "      @dirs) compopt -o filenames 2>/dev/null; mapfile -t names < <(compgen -d -- \"$word\") ;;\n"
        "      @*) mapfile -t names < <(compgen -W \"$(\"${COMP_WORDS[0]/#\\~/$HOME}\" \"${socket[@]}\" help "
        "--complete \"${item#@}\" 2>/dev/null)\" -- \"$word\") ;;\n"
        "      *) mapfile -t names < <(compgen -W \"$item\" -- \"$word\") ;;\n"
        "    esac\n"
        "    COMPREPLY+=(\"${names[@]}\")\n"
        "  done\n"
        "}\n";

static const char body[] = "_harbinger() {\n"
                           "  local word=${COMP_WORDS[COMP_CWORD]} w i help= first= command= last= end= "
                           "takes= second= options=\n"
                           "  local operands=0 socket=()\n"
                           "  COMPREPLY=()\n"
                           "  [[ $word != = ]] || word=\n"
                           "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                           "    w=${COMP_WORDS[i]}\n"
                           "    if [[ $w == = ]]; then\n"
                           "      continue\n"
                           "    elif [[ $last ]]; then\n"
                           "      [[ $last != --socket ]] || socket=(--socket \"${w/#\\~/$HOME}\")\n"
                           "      last=\n"
                           "    elif [[ $w == -- ]]; then\n"
                           "      end=1\n"
                           "    elif [[ $w == -?* && ! $end ]]; then\n"
                           "      _harbinger_takes \"${help:-$command}\" \"$w\"\n"
                           "      [[ ! $takes ]] || last=$w\n"
                           "    elif [[ $w == help && ! $help$first ]]; then\n"
                           "      help=help\n"
                           "    elif [[ ! $first ]]; then\n"
                           "      first=$w\n"
                           "      _harbinger_second \"$w\"\n"
                           "      [[ $second ]] || command=$w\n"
                           "    elif [[ ! $command ]]; then\n"
                           "      command=\"$first $w\"\n"
                           "    else\n"
                           "      operands=$((operands + 1))\n"
                           "    fi\n"
                           "  done\n"
                           "  if [[ $last ]]; then\n"
                           "    _harbinger_takes \"${help:-$command}\" \"$last\"\n"
                           "    _harbinger_offer \"$takes\"\n"
                           "  elif [[ $word == -* && ! $end ]]; then\n"
                           "    _harbinger_options \"${help:-$command}\"\n"
                           "    _harbinger_offer \"$options\"\n"
                           "  elif [[ ! $first ]]; then\n"
                           "    _harbinger_offer \"$commands\"\n"
                           "  elif [[ ! $command ]]; then\n"
                           "    _harbinger_offer \"$second\"\n"
                           "  elif [[ $end ]]; then\n"
                           "    _harbinger_offer @files\n"
                           "  elif [[ ! $help ]]; then\n"
                           "    _harbinger_operand \"$command\" $((operands + 1))\n"
                           "    _harbinger_offer \"$takes\"\n"
                           "  fi\n"
                           "}\n"
                           "complete -F _harbinger harbinger\n";

void hb_cli_completion_bash(FILE *out) {
        const char *commands = strstr(body, "\"$commands\"");

        fputs("# bash completion for harbinger; made by `harbinger help --completion bash`\n", out);
        hb_cli_shell_tables(out);
        options_table(out);
        fputs(offer, out);
        fprintf(out, "%.*s'", (int)(commands - body), body);
        hb_cli_first_words(out, first_word);
        fprintf(out, "'%s", commands + strlen("\"$commands\""));
}
