use std::path::Path;

use super::*;

fn server() -> Server {
    Server {
        program: PathBuf::from("/opt/my models/mlxk"),
        words: ["server", "--model", "org/tiny", "--cors-origin", "a\"b\\c$d&<e>"]
            .map(str::to_owned)
            .to_vec(),
        variables: vec![Variable { name: "HF_HOME", value: "/data/100% $mine".to_owned() }],
    }
}

fn places(system: System) -> Places {
    Places {
        system,
        home: "/home/ada".into(),
        xdg_config: None,
        own: "/data/mlxk".into(),
        user: if system == System::Windows { "BOX\\ada" } else { "501" }.to_owned(),
    }
}

fn commands(action: Action, system: System) -> Vec<String> {
    steps(action, &places(system)).iter().map(|step| step.words.join(" ")).collect()
}

#[test]
fn words_are_literal_for_systemd() {
    let unit = definition(&server(), &places(System::Linux)).unwrap();
    assert_eq!(unit.path, Path::new("/home/ada/.config/systemd/user/mlxk.service"));
    let start = "ExecStart=\"/opt/my models/mlxk\" \"server\" \"--model\" \"org/tiny\" \"--cors-origin\" \
                 \"a\\\"b\\\\c$$d&<e>\"\n";
    assert!(unit.text.contains(start), "{}", unit.text);
    assert!(unit.text.contains("Environment=\"HF_HOME=/data/100%% $mine\"\n"), "{}", unit.text);
    assert_eq!(unit.bytes, unit.text.as_bytes());
    let moved = Places { xdg_config: Some("/xdg".into()), ..places(System::Linux) };
    assert_eq!(path(&moved), Path::new("/xdg/systemd/user/mlxk.service"));
    assert_eq!(
        commands(Action::Install, System::Linux),
        [
            "systemctl --user daemon-reload",
            "systemctl --user enable mlxk.service",
            "systemctl --user restart mlxk.service"
        ]
    );
}

#[test]
fn words_are_literal_for_launchd() {
    let agent = definition(&server(), &places(System::MacOs)).unwrap();
    assert_eq!(agent.path, Path::new("/home/ada/Library/LaunchAgents/mlxk.server.plist"));
    assert!(
        agent.text.contains("    <string>a&quot;b\\c$d&amp;&lt;e&gt;</string>\n"),
        "{}",
        agent.text
    );
    let variable = "    <key>HF_HOME</key>\n    <string>/data/100% $mine</string>\n";
    assert!(agent.text.contains(variable), "{}", agent.text);
    assert!(agent.text.contains("<string>/home/ada/Library/Logs/mlxk.log</string>"));
    assert_eq!(
        commands(Action::Install, System::MacOs),
        [
            "launchctl bootout gui/501/mlxk.server",
            "launchctl bootstrap gui/501 /home/ada/Library/LaunchAgents/mlxk.server.plist"
        ]
    );
}

#[test]
fn words_that_cmd_would_change_are_refused() {
    let refused = definition(&server(), &places(System::Windows)).unwrap_err();
    assert!(refused.starts_with("`a\"b\\c$d&<e>` can't be part of a task"), "{refused}");
    let fine = Server {
        words: ["server", "--model", "C:\\models\\", "--cors-origin", "a&b"]
            .map(str::to_owned)
            .to_vec(),
        ..server()
    };
    let task = definition(&fine, &places(System::Windows)).unwrap();
    let arguments = "<Arguments>/d /s /c &quot;&quot;/opt/my models/mlxk&quot; &quot;server&quot; &quot;--model&quot; \
                     &quot;C:\\models\\\\&quot; &quot;--cors-origin&quot; &quot;a&amp;b&quot; 2&gt;&gt; ";
    assert!(task.text.contains(arguments), "{}", task.text);
    assert!(task.text.contains("<UserId>BOX\\ada</UserId>"), "{}", task.text);
    assert!(task.bytes.starts_with(&[0xff, 0xfe, b'<', 0]));
    assert_eq!(
        commands(Action::Uninstall, System::Windows),
        ["schtasks /End /TN mlxk", "schtasks /Delete /TN mlxk /F"]
    );
}

#[test]
fn every_action_has_commands() {
    for system in [System::Linux, System::MacOs, System::Windows] {
        for action in
            [Action::Install, Action::Uninstall, Action::Status, Action::Logs, Action::Follow]
        {
            assert!(!steps(action, &places(system)).is_empty(), "{system:?} {action:?}");
        }
    }
    // Failing to stop what doesn't run must not keep its definition.
    for system in [System::Linux, System::MacOs, System::Windows] {
        assert!(steps(Action::Uninstall, &places(system)).iter().all(|step| step.may_fail));
    }
}
