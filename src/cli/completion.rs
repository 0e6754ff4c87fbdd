//! Completion for bash, written from the same data as the help.

use super::command::{Command, Words};
use super::error::Error;
use super::flag::{Order, Spec, Table};
use super::session::Session;
use super::{command, commands, flag, globals};

/// `completion bash`.
pub static COMPLETION: Command = Command {
    paths: &["completion"],
    usage: "bash",
    about: "Generate the autocompletion script for the shell",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &command::With { flags: FLAGS, run },
};

const FLAGS: Table<()> = &[command::NO_FLAGS];

fn run(
    session: &mut Session,
    (): (),
    words: Vec<String>,
) -> Result<i32, Error> {
    if words[0] != "bash" {
        let text = format!("completion for {} is not known", words[0]);
        return Err(Error::text(text));
    }
    session.print(&bash(&session.program))?;
    Ok(0)
}

/// Writes the script: one case for each command, one for each flag whose
/// values are known.
fn bash(program: &str) -> String {
    let mut cases = String::new();
    let mut choices = String::new();
    for command in commands::ALL {
        let flags = command.action.flags();
        for path in command.paths {
            cases.push_str(&format!(
                "    \"{path}\") words=\"{}\" ;;\n",
                names(&flags)
            ));
        }
        let chosen = flags.iter().filter(|spec| !spec.choices.is_empty());
        for (spec, path) in
            chosen.flat_map(|spec| command.paths.iter().map(move |p| (spec, p)))
        {
            choices.push_str(&format!(
                "    \"{path} --{}\") words=\"{}\" ;;\n",
                spec.long,
                spec.choices.join(" ")
            ));
        }
    }
    for group in commands::GROUPS {
        let members = command::members(commands::ALL, Some(group.name));
        let members: Vec<_> = members.iter().map(|(name, _)| *name).collect();
        cases.push_str(&format!(
            "    \"{}\") words=\"{}\" ;;\n",
            group.name,
            members.join(" ")
        ));
    }
    let mut first: Vec<_> = command::members(commands::ALL, None)
        .iter()
        .map(|(name, _)| *name)
        .chain(commands::GROUPS.iter().map(|group| group.name))
        .collect();
    first.sort_unstable();
    let groups: Vec<_> = commands::GROUPS.iter().map(|g| g.name).collect();
    format!(
        "# bash completion for {program}\n\
         _{program}() {{\n  \
           local cur=${{COMP_WORDS[COMP_CWORD]}} \
         prev=${{COMP_WORDS[COMP_CWORD-1]}} path= words= word\n  \
           for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n    \
             case $word in -*) continue ;; esac\n    \
             case \" {groups} \" in\n      \
               *\" $path \"*) [ -n \"$path\" ] && path=\"$path $word\" && break ;;\n    \
             esac\n    \
             [ -z \"$path\" ] && path=$word\n  \
           done\n  \
           case $path in\n    \"\") words=\"{} {}\" ;;\n{cases}  esac\n  \
           case \"$path $prev\" in\n{choices}    *) ;;\n  esac\n  \
           COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n\
         }}\n\
         complete -o default -F _{program} {program}\n",
        first.join(" "),
        names(&flag::sorted(globals::FLAGS)),
        groups = groups.join(" "),
    )
}

fn names(flags: &[&Spec]) -> String {
    let shown = flags.iter().filter(|spec| !spec.is_hidden);
    let mut names: Vec<_> =
        shown.map(|spec| format!("--{}", spec.long)).collect();
    names.push("--help".to_owned());
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_commands_and_flags() {
        let script = bash("skiff");
        assert!(script.contains("\"ps\") words=\"--all --filter"), "{script}");
        assert!(script.contains("\"image\") words=\"import inspect ls"));
        assert!(script.ends_with("complete -o default -F _skiff skiff\n"));
    }
}
