//! The words and phrases that nothing here needs, with their replacements.
//!
//! An entry must have no legitimate meaning, or its exceptions must be listed. A phrase matches whole words
//! in any case, across line breaks.

/// A banned phrase.
pub(super) struct Banned {
    pub phrase: &'static str,
    /// What to write instead.
    pub instead: &'static str,
    /// Phrases that contain or continue this one and are fine.
    pub unless: &'static [&'static str],
}

const fn banned(phrase: &'static str, instead: &'static str) -> Banned {
    Banned { phrase, instead, unless: &[] }
}

pub(super) const BANNED: [Banned; 45] = [
    banned("anew", "again"),
    banned("mend", "fix, repair"),
    banned("mends", "fixes, repairs"),
    banned("mended", "fixed, repaired"),
    Banned {
        phrase: "beside",
        instead: "next to, alongside, besides",
        unless: &["beside the point"],
    },
    banned("of no use", "unusable"),
    banned("of any use", "usable"),
    banned("is of use", "is usable, helps"),
    banned("makes no sense", "is invalid, is malformed"),
    banned("as it lies", "in place, as is"),
    banned("as they lie", "in place, as they are"),
    banned("goes on where", "resumes, continues"),
    banned("go on where", "resume, continue"),
    banned("in turns", "alternating, taking turns"),
    banned("for want of", "because … is missing"),
    banned("for ever", "forever"),
    banned("nobody", "use the passive, or \"you\""),
    banned("somebody", "use the passive, or \"you\""),
    banned("whoever", "use the passive, or \"you\""),
    banned("whom", "name the thing"),
    banned("so many bytes", "this many bytes"),
    banned("so many tokens", "this many tokens"),
    banned("so many seconds", "N seconds"),
    banned("as far as it fits", "up to what fits"),
    banned("give up after", "time out after"),
    banned("gives up after", "times out after"),
    // A noun after "whole" makes it fine: "whole blocks".
    banned("are whole.", "are complete, are intact"),
    banned("are whole,", "are complete, are intact"),
    banned("are whole;", "are complete, are intact"),
    banned("are whole and", "are complete, are intact"),
    banned("is whole.", "is complete, is intact"),
    banned("is whole,", "is complete, is intact"),
    banned("is whole;", "is complete, is intact"),
    banned("is whole and", "is complete, is intact"),
    banned("such as run", "that run"),
    banned("of it alone", "only of it"),
    banned("hears of", "is told about, receives"),
    banned("is heard of", "is received"),
    banned("that said so", "that reported it"),
    banned("is content", "succeeds"),
    banned("reads along", "intercepts"),
    banned("in order not to", "to avoid"),
    banned("lies there", "is there"),
    banned("lie there", "are there"),
    Banned {
        phrase: "is no",
        instead: "is not a",
        unless: &[
            "there is no",
            "there's no",
            "is no longer",
            "is no more",
            "is no less",
            "is no better",
            "is no worse",
            "is no slower",
            "is no faster",
            "is no larger",
            "is no smaller",
            "is no need",
            "is no other",
            "is no different",
            "is no one",
        ],
    },
];
