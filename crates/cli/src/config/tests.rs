use super::*;

/// Loads a configuration from the text of a file and variables.
fn loaded(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mlxk").join("config.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    let lookup = |name: &str| match name {
        env::MLXK_CONFIG => Some(path.to_str().unwrap().to_owned()),
        _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    Config::load(lookup, folder.path())
}

#[test]
fn the_environment_wins_over_the_file() {
    let text =
        "endpoint = \"https://a\"\noffline = true\n[defaults]\ntemperature = 0.5\nctx = 1_024\n";
    let config = loaded(text, &[("MLXK_TEMPERATURE", "0.25"), ("HF_HUB_OFFLINE", "0")]).unwrap();
    let found: Vec<_> = config
        .settings
        .iter()
        .map(|setting| (setting.name, setting.value.to_string(), setting.origin))
        .collect();
    assert_eq!(
        found,
        [
            ("endpoint", "https://a".to_owned(), Origin::Line(1)),
            ("offline", "0".to_owned(), Origin::Variable("HF_HUB_OFFLINE")),
            ("defaults.temperature", "0.25".to_owned(), Origin::Variable("MLXK_TEMPERATURE")),
            ("defaults.ctx", "1024".to_owned(), Origin::Line(5)),
        ]
    );
    assert_eq!(config.variable("HF_ENDPOINT").as_deref(), Some("https://a"));
    let parameters = config.overrides().parameters;
    assert_eq!((parameters.temperature, parameters.ctx), (Some(0.25), Some(1024)));
}

#[test]
fn ollamas_variable_turns_the_history_off() {
    for (value, expected) in
        [("1", true), ("true", true), ("yes", true), ("0", false), ("false", false)]
    {
        let config = loaded("", &[("OLLAMA_NOHISTORY", value)]).unwrap();
        assert_eq!(config.flag("chat.no_history"), expected, "{value}");
    }
    let both = [("OLLAMA_NOHISTORY", "1"), ("MLXK_NO_HISTORY", "0")];
    assert!(!loaded("", &both).unwrap().flag("chat.no_history"));
}

#[test]
fn invalid_variables_are_named() {
    for (name, value, expected) in [
        ("MLXK_TEMPERATURE", "hot", "must be a number from 0 to 100"),
        ("MLXK_THREADS", "0", "must be a whole number from 1 to 4096"),
        ("MLXK_TOP_P", "1.5", "must be a number from 0 to 1"),
    ] {
        let error = loaded("", &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_that_is_asked_for_has_to_be_there() {
    let lookup = |name: &str| (name == env::MLXK_CONFIG).then(|| "/no/such/file".to_owned());
    let error = Config::load(lookup, Path::new("/home/ada")).unwrap_err();
    assert!(matches!(error, ConfigError::Missing { .. }), "{error}");
    assert!(Config::load(|_| None, Path::new("/no/such/home")).unwrap().settings.is_empty());
}
