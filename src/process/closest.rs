//! The known name that a mistyped one most likely means.

/// The known name within a third of its length of edits of `written`, if there is one.
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count() / 3)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_few_mistakes_is_recognized() {
        let known = ["slots", "timeout", "ui"];
        assert_eq!(closest("slot", known), Some("slots"));
        assert_eq!(closest("tiemout", known), Some("timeout"));
        assert_eq!(closest("xi", known), None);
        assert_eq!(closest("aardvark", known), None);
    }
}
