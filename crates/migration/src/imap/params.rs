//! What a URL says behind its `?`: how to log in, whether to compress.

use super::{Compressing, Login, Mechanism};

/// Reads `auth=…&master=…&compress=…`; the error names what was expected.
pub fn parse_query<'a>(
    pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
) -> Result<(Login, Compressing), String> {
    let mut login = Login::default();
    let mut compress = Compressing::default();
    for (name, value) in pairs {
        let wrong = |wanted: &str| format!("{name}={value} is unknown; write {name}={wanted}");
        match name.as_ref() {
            "auth" => {
                login.mechanism = Mechanism::parse(&value)
                    .ok_or_else(|| wrong("plain, login, xoauth2, oauthbearer or auto"))?;
            }
            "master" if !value.is_empty() && !value.contains('\0') => {
                login.master = Some(value.into_owned());
            }
            "master" => return Err(wrong("the administrator's login")),
            "compress" => {
                compress =
                    Compressing::parse(&value).ok_or_else(|| wrong("auto, always or never"))?;
            }
            _ => {
                return Err(format!(
                    "the parameter {name} is unknown; auth, master and compress are known"
                ));
            }
        }
    }
    let by_password = matches!(
        login.mechanism,
        Mechanism::Auto | Mechanism::Plain | Mechanism::Login
    );
    match login.mechanism {
        Mechanism::Login if login.master.is_some() => Err(
            "auth=login knows no master; write the user as user*master, or leave auth out"
                .to_owned(),
        ),
        _ if login.master.is_some() && !by_password => {
            Err("a token knows no master; leave master out".to_owned())
        }
        _ => Ok((login, compress)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<(Login, Compressing), String> {
        let url = url::Url::parse(&format!("imaps://a?{query}")).expect("a URL");
        parse_query(url.query_pairs())
    }

    #[test]
    fn parameters_are_known_or_refused() {
        assert_eq!(parse(""), Ok((Login::default(), Compressing::Auto)));
        let (login, compress) = parse("auth=XOAUTH2&compress=never").expect("good");
        assert_eq!(login.mechanism, Mechanism::XOauth2);
        assert_eq!(compress, Compressing::Never);
        let (login, _) = parse("master=root%40old").expect("good");
        assert_eq!(login.master.as_deref(), Some("root@old"));
        for (bad, hint) in [
            ("auth=ntlm", "xoauth2"),
            ("compress=1", "always"),
            ("master=", "login"),
            ("autH=plain", "known"),
            ("auth=login&master=a", "user*master"),
            ("auth=xoauth2&master=a", "token"),
        ] {
            let error = parse(bad).expect_err(bad);
            assert!(error.contains(hint), "{error}");
        }
    }
}
