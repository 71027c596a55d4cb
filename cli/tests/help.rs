//! Help in both languages.

use assert_cmd::Command;

fn help(args: &[&str], lang: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .args(args)
        .args(["--help", "--lang", lang])
        .env_clear()
        .output()
        .expect("melouvert starts");
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_speaks_french_by_default_and_english_on_demand() {
    let default = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(default.stdout).unwrap(), help(&[], "fr"));
    for lang in ["fr", "en"] {
        insta::assert_snapshot!(format!("root-{lang}"), help(&[], lang));
        insta::assert_snapshot!(
            format!("onboard-{lang}"),
            help(&["collectivity", "onboard"], lang)
        );
        insta::assert_snapshot!(
            format!("migrate-run-{lang}"),
            help(&["migrate", "run"], lang)
        );
    }
}
