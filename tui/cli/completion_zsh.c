/* completion_zsh: the script for zsh, a function for $fpath. The same tables as bash's; options and commands
 * come with their help. Uses compadd and _describe only, so that nothing of the table is read as a pattern.
 */
#include "cli/completion.h"
#include <string.h>

/* 'name:help' for _describe: a colon in the name would end it; in the help it may stand. */
static void described(FILE *out, const char *dashes, const char *name, size_t n, const char *help) {
        char text[600];

        snprintf(text, sizeof(text), "%s%.*s:%s", dashes, (int)n, name, help);
        fputc(' ', out);
        hb_cli_quote(out, text, false);
}

static void options(FILE *out, const struct hb_cli_option *o) {
        for (int i = 0; i < HB_CLI_MAX_OPTIONS && o[i].name; i++)
                described(out, "--", o[i].name, strlen(o[i].name), o[i].help);
}

static void options_table(FILE *out) {
        fputs("# COMMAND. Sets options.\n_harbinger_options() {\n  options=(", out);
        options(out, hb_cli_common);
        fputs(")\n  case $1 in\n", out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                fprintf(out, "    '%s') options+=(", hb_cli_commands[i]->name);
                options(out, hb_cli_commands[i]->options);
                fputs(") ;;\n", out);
        }
        fputs("  esac\n}\n", out);
}

static void first_word(FILE *out, const char *word, size_t n, const struct hb_cli_command *row, bool group) {
        char help[80];

        snprintf(help, sizeof(help), "%.*s ...", (int)n, word);
        described(out, "", word, n, group ? help : row->summary);
}

/* Second words with their help, by the first. */
static void commands_table(FILE *out) {
        fputs("# FIRST WORD or nothing. Sets commands.\n_harbinger_commands() {\n  case $1 in\n    '') "
              "commands=(",
              out);
        hb_cli_first_words(out, first_word);
        fputs(") ;;\n", out);
        for (size_t i = 0; hb_cli_commands[i]; i++) {
                const char *name = hb_cli_commands[i]->name, *blank = strchr(name, ' ');

                if (!blank)
                        continue;
                if (hb_cli_begins_group(i))
                        fprintf(out, "    %.*s) commands=(", (int)(blank - name), name);
                described(out, "", blank + 1, strlen(blank + 1), hb_cli_commands[i]->summary);
                if (!hb_cli_commands[i + 1] || hb_cli_begins_group(i + 1))
                        fputs(") ;;\n", out);
        }
        fputs("  esac\n}\n", out);
}

static const char body[] =
        "_harbinger_offer() {\n"
        "  local item\n"
        "  local -a names\n"
        "  for item in ${=1}; do\n"
        "    case $item in\n"
        "      -) ;;\n"
        "      @files) _files ;;\n"
        "      @dirs) _files -/ ;;\n"
        "      @*) names=(${(f)\"$(_call_program names ${words[1]} ${(q)socket} help --complete ${item#@} "
        "2>/dev/null)\"})\n"
        "        (( $#names )) && compadd -a names ;;\n"
        "      *) compadd -- $item ;;\n"
        "    esac\n"
        "  done\n"
        "}\n"
        "_harbinger() {\n"
        "  local w help first command last end takes second\n"
        "  local -i i operands=0\n"
        "  local -a options commands socket\n"
        "  for (( i = 2; i < CURRENT; i++ )); do\n"
        "    w=${(Q)words[i]}\n"
        "    if [[ -n $last ]]; then\n"
        "      [[ $last == --socket ]] && socket=(--socket ${~w})\n"
        "      last=\n"
        "    elif [[ $w == -- ]]; then\n"
        "      end=1\n"
        "    elif [[ $w == --socket=* && -z $end ]]; then\n"
        "      socket=(--socket ${w#*=})\n"
        "    elif [[ $w == -?* && -z $end ]]; then\n"
        "      _harbinger_takes \"${help:-$command}\" \"$w\"\n"
        "      [[ -n $takes ]] && last=$w\n"
        "    elif [[ $w == help && -z $help$first ]]; then\n"
        "      help=help\n"
        "    elif [[ -z $first ]]; then\n"
        "      first=$w\n"
        "      _harbinger_second \"$w\"\n"
        "      [[ -z $second ]] && command=$w\n"
        "    elif [[ -z $command ]]; then\n"
        "      command=\"$first $w\"\n"
        "    else\n"
        "      operands+=1\n"
        "    fi\n"
        "  done\n"
        "  if [[ -z $last$end && $PREFIX == --*=* ]]; then\n"
        "    last=${PREFIX%%=*}\n"
        "    compset -P '*='\n"
        "  fi\n"
        "  if [[ -n $last ]]; then\n"
        "    _harbinger_takes \"${help:-$command}\" \"$last\"\n"
        "    _harbinger_offer \"$takes\"\n"
        "  elif [[ $PREFIX == -* && -z $end ]]; then\n"
        "    _harbinger_options \"${help:-$command}\"\n"
        "    _describe -o option options\n"
        "  elif [[ -z $command ]]; then\n"
        "    _harbinger_commands \"$first\"\n"
        "    _describe command commands\n"
        "  elif [[ -n $end ]]; then\n"
        "    _files\n"
        "  elif [[ -z $help ]]; then\n"
        "    _harbinger_operand \"$command\" $(( operands + 1 ))\n"
        "    _harbinger_offer \"$takes\"\n"
        "  fi\n"
        "}\n"
        "_harbinger \"$@\"\n";

void hb_cli_completion_zsh(FILE *out) {
        fputs("#compdef harbinger\n# zsh completion for harbinger; made by `harbinger help --completion "
              "zsh`\n",
              out);
        hb_cli_shell_tables(out);
        options_table(out);
        commands_table(out);
        fputs(body, out);
}
