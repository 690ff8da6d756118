//! Flag over environment over file over default.
//!
//! The file's values become the flags' defaults before the command line is read, so clap itself keeps the order.

use std::path::{Path, PathBuf};

use clap::{
    ArgMatches, Command, CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;

/// Reads command line, environment and configuration file. Exits for `--help`, `--version` and wrong flags.
///
/// # Errors
/// The configuration file cannot be read, or has a key that is no flag.
pub fn parse() -> Result<ArgMatches, String> {
    let command = match file() {
        Some((path, required)) => match std::fs::read_to_string(&path) {
            Ok(text) => with_defaults(Cli::command(), &text).map_err(|words| format!("{}: {words}", path.display()))?,
            Err(error) if required => return Err(format!("cannot read {}: {error}", path.display())),
            Err(_) => Cli::command(),
        },
        None => Cli::command(),
    };
    Ok(command.try_get_matches().unwrap_or_else(|error| with_tip(error).exit()))
}

/// Names the right flag where people try one that other servers have.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let tried = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(tried)) => tried.trim_start_matches('-').split(['=', ' ']).next().unwrap_or(""),
        _ => return error,
    };
    if error.kind() == ErrorKind::UnknownArgument && ["port", "host", "bind", "address", "p"].contains(&tried) {
        let tip = "use `--listen 127.0.0.1:8080`, or `--listen 0.0.0.0:8080` for all networks".into();
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// The configuration file, and whether it was asked for by name.
fn file() -> Option<(PathBuf, bool)> {
    // Looked for by hand: the file must be known before clap can read the rest.
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(|path| (path.into(), true));
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some((path.into(), true));
        }
    }
    if let Some(path) = std::env::var_os("SIGHTGLASS_CONFIG") {
        return Some((path.into(), true));
    }
    let usual = Path::new("sightglass.toml");
    usual.is_file().then(|| (usual.to_path_buf(), false))
}

/// Makes the values of a TOML table the defaults of the flags they name, in every subcommand that has the flag.
fn with_defaults(mut command: Command, text: &str) -> Result<Command, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    for (key, value) in table {
        let values: Vec<String> = match value {
            toml::Value::Array(items) => items.into_iter().map(plain).collect::<Result<_, _>>()?,
            value => vec![plain(value)?],
        };
        if !set(&mut command, &key, &values) {
            return Err(format!("`{key}` is no setting; keys are the long names of flags, for example `max-upload`"));
        }
    }
    Ok(command)
}

/// Makes the values the default of a flag here and in all subcommands; false if there is no such flag.
fn set(command: &mut Command, key: &str, values: &[String]) -> bool {
    let mut known = false;
    for sub in command.get_subcommands_mut() {
        known |= set(sub, key, values);
    }
    let id = command.get_arguments().find(|arg| arg.get_long() == Some(key)).map(|arg| arg.get_id().clone());
    if let Some(id) = id {
        *command = std::mem::take(command).mut_arg(id, |arg| arg.default_values(values.to_vec()));
        known = true;
    }
    known
}

fn plain(value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        _ => Err("a value must be a text, a number, true, false, or a list of these".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_beats_file_beats_default() {
        let file = "listen = \"127.0.0.1:1234\"\nmax-queue = 7\nmodel = [\"a\", \"b\"]\n";
        let parse = |args: &[&str]| {
            let command = with_defaults(Cli::command(), file).expect("a good file");
            let matches = command.try_get_matches_from(args).expect("good flags");
            let (_, serve) = matches.subcommand().expect("a subcommand");
            let models: Vec<String> = serve.get_many("model").expect("a model").cloned().collect();
            (
                serve.get_one::<std::net::SocketAddr>("listen").expect("an address").port(),
                models,
                *serve.get_one::<usize>("max_queue").expect("a number"),
            )
        };
        assert_eq!(parse(&["sightglass", "serve"]), (1234, vec!["a".into(), "b".into()], 7));
        assert_eq!(
            parse(&["sightglass", "serve", "--listen", "127.0.0.1:9", "--model", "c"]),
            (9, vec!["c".into()], 7)
        );
    }

    #[test]
    fn the_file_reaches_subcommands_of_subcommands() {
        let command = with_defaults(Cli::command(), "models = \"/srv/models\"\n").expect("a good file");
        let import = ["sightglass", "models", "import", "x", "--cfg", "a", "--weights", "b", "--labels", "c"];
        let matches = command.try_get_matches_from(import).expect("good flags");
        let import = matches.subcommand().and_then(|(_, models)| models.subcommand()).expect("a subcommand").1;
        assert_eq!(import.get_one("models"), Some(&std::path::PathBuf::from("/srv/models")));
    }

    #[test]
    fn an_unknown_key_is_told() {
        let error = with_defaults(Cli::command(), "listne = \"x\"").expect_err("a wrong key");
        assert!(error.contains("listne"), "{error}");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
