//! The parts of programming languages that colors need: comments, strings and keywords.

/// A language, as far as coloring goes.
#[derive(Debug)]
pub(super) struct Language {
    /// Names in the first line of a block of code.
    names: &'static [&'static str],
    /// Beginnings of comments that end with the line.
    pub line_comments: &'static [&'static str],
    /// Begin and end of comments over several lines.
    pub block_comments: &'static [(&'static str, &'static str)],
    /// Delimiters of strings, longer ones first.
    pub strings: &'static [Quote],
    /// Separated by spaces.
    keywords: &'static str,
    /// `true` if upper and lower case are the same in keywords.
    ignores_case: bool,
    pub form: Form,
}

/// Structure of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Code,
    /// Only tags have keywords and strings.
    Tags,
    /// Each line is added, removed or common.
    Diff,
}

/// A delimiter of strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    pub mark: &'static str,
    /// `true` if the string may continue on the next line.
    pub spans_lines: bool,
}

const fn in_line(mark: &'static str) -> Quote {
    Quote { mark, spans_lines: false }
}

const fn over_lines(mark: &'static str) -> Quote {
    Quote { mark, spans_lines: true }
}

const DOUBLE: &[Quote] = &[in_line("\"")];
const BOTH: &[Quote] = &[in_line("\""), in_line("'")];
const C_COMMENTS: &[(&str, &str)] = &[("/*", "*/")];
const TAG_COMMENTS: &[(&str, &str)] = &[("<!--", "-->")];

/// A language without anything to color. The others only say what differs.
const PLAIN: Language = Language {
    names: &[],
    line_comments: &[],
    block_comments: &[],
    strings: BOTH,
    keywords: "",
    ignores_case: false,
    form: Form::Code,
};

/// A language with the comments of C.
const C_LIKE: Language = Language { line_comments: &["//"], block_comments: C_COMMENTS, ..PLAIN };

const LANGUAGES: &[Language] = &[
    Language {
        names: &["python", "py", "python3", "pycon", "pyi"],
        line_comments: &["#"],
        strings: &[over_lines("\"\"\""), over_lines("'''"), in_line("\""), in_line("'")],
        keywords: "and as assert async await break case class continue def del elif else except finally \
                   for from global if import in is lambda match nonlocal not or pass raise return try \
                   while with yield None True False self",
        ..PLAIN
    },
    Language {
        names: &["rust", "rs"],
        // An apostrophe is also the mark of a lifetime.
        strings: &[over_lines("\"")],
        keywords: "as async await break const continue crate dyn else enum extern fn for if impl in let \
                   loop match mod move mut pub ref return self Self static struct super trait type \
                   unsafe use where while true false None Some Ok Err",
        ..C_LIKE
    },
    Language {
        names: &["javascript", "js", "jsx", "mjs", "cjs", "node", "typescript", "ts", "tsx"],
        strings: &[over_lines("`"), in_line("\""), in_line("'")],
        keywords: "abstract any as async await boolean break case catch class const continue debugger \
                   default delete do else enum export extends finally for from function get if implements \
                   import in instanceof interface let namespace never new null number of private \
                   protected public readonly return set static string super switch this throw try type \
                   typeof undefined unknown var void while with yield true false",
        ..C_LIKE
    },
    Language {
        names: &["go", "golang"],
        strings: &[over_lines("`"), in_line("\""), in_line("'")],
        keywords: "break case chan const continue default defer else fallthrough for func go goto if \
                   import interface map package range return select struct switch type var nil true \
                   false string int error bool",
        ..C_LIKE
    },
    Language {
        names: &[
            "c",
            "h",
            "cpp",
            "c++",
            "cc",
            "hpp",
            "cxx",
            "objc",
            "objective-c",
            "cuda",
            "glsl",
            "metal",
            "arduino",
        ],
        keywords: "alignas auto bool break case catch char class const constexpr continue default delete do \
                   double else enum explicit extern false float for friend goto if inline int long \
                   namespace new noexcept nullptr NULL operator private protected public register return \
                   short signed sizeof static struct switch template this throw true try typedef typename \
                   union unsigned using virtual void volatile while include define ifdef ifndef endif",
        ..C_LIKE
    },
    Language {
        names: &[
            "java", "kotlin", "kt", "scala", "groovy", "dart", "csharp", "cs", "c#", "swift",
            "php", "solidity",
        ],
        strings: &[over_lines("\"\"\""), in_line("\""), in_line("'")],
        keywords: "abstract actor as async await base bool boolean break byte case catch char class companion \
                   const continue data def default defer delegate do double echo else enum extends \
                   extension false final finally float for foreach fun func function get guard if \
                   implements implicit import in init int interface internal is let long match namespace \
                   new nil null object open out override package private protected protocol public \
                   readonly record return sealed self set short static string struct super switch this \
                   throw throws trait true try typealias using val var virtual void when where while with \
                   yield",
        ..C_LIKE
    },
    Language {
        names: &[
            "bash",
            "sh",
            "shell",
            "zsh",
            "fish",
            "dockerfile",
            "docker",
            "makefile",
            "make",
            "powershell",
            "ps1",
        ],
        line_comments: &["#"],
        keywords: "case do done elif else esac export fi for function if in local return then until while \
                   echo cd exit set unset source sudo FROM RUN COPY CMD ENV WORKDIR ENTRYPOINT ARG EXPOSE \
                   param foreach",
        ..PLAIN
    },
    Language {
        names: &[
            "ruby", "rb", "elixir", "ex", "perl", "pl", "r", "julia", "jl", "crystal", "nim", "nix",
        ],
        line_comments: &["#"],
        keywords: "alias and begin break case catch class def defmodule defp do else elsif end ensure false \
                   fn for foreach function if in include inherit let local module my new next nil not \
                   nothing or our package print puts redo require rescue retry return self sub super then \
                   true undef unless until use using var when while with yield NULL TRUE FALSE",
        ..PLAIN
    },
    Language {
        names: &["sql", "mysql", "postgresql", "postgres", "sqlite", "plsql"],
        line_comments: &["--"],
        block_comments: C_COMMENTS,
        keywords: "add all alter and as asc begin between by case check column commit constraint create \
                   cross database default delete desc distinct drop else end exists foreign from full group \
                   having if in index inner insert int integer into is join key left like limit not null on \
                   or order outer primary references returning right rollback select set table text then \
                   transaction union unique update using values varchar view when where with",
        ignores_case: true,
        ..PLAIN
    },
    Language {
        names: &["lua", "haskell", "hs", "elm", "ada", "vhdl"],
        line_comments: &["--"],
        strings: DOUBLE,
        keywords: "and break case class data deriving do else elseif end false for function if import in \
                   instance let local module newtype nil not of or repeat return then true type until where \
                   while",
        ..PLAIN
    },
    Language {
        names: &["json", "jsonc", "json5", "jsonl"],
        strings: DOUBLE,
        keywords: "true false null",
        ..C_LIKE
    },
    Language {
        names: &[
            "toml",
            "yaml",
            "yml",
            "ini",
            "cfg",
            "conf",
            "properties",
            "dotenv",
            "env",
            "hcl",
            "terraform",
            "tf",
        ],
        line_comments: &["#", ";"],
        keywords: "true false null yes no on off",
        ..PLAIN
    },
    Language { names: &["css", "scss", "less"], block_comments: C_COMMENTS, ..PLAIN },
    Language {
        names: &["html", "xml", "svg", "vue", "svelte", "xhtml", "plist"],
        block_comments: TAG_COMMENTS,
        form: Form::Tags,
        ..PLAIN
    },
    Language { names: &["diff", "patch"], form: Form::Diff, ..PLAIN },
];

impl Language {
    /// Finds the language by the first word of a block's first line, such as `python` in `python title="a"`.
    pub(super) fn find(title: &str) -> Option<&'static Self> {
        let word = title.split([' ', ',', ':', '{']).next().unwrap_or_default();
        let word = word.trim_start_matches('.').to_ascii_lowercase();
        LANGUAGES.iter().find(|language| language.names.contains(&word.as_str()))
    }

    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.keywords.split_ascii_whitespace().any(|keyword| {
            keyword == word || (self.ignores_case && keyword.eq_ignore_ascii_case(word))
        })
    }
}
