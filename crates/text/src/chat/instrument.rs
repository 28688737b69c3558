//! Compiles a template, and adds the checks of [`super::bounds`] to its instructions.

use std::collections::BTreeMap;

use minijinja::Error;
use minijinja::machinery::{CodeGenerator, Instruction, Instructions, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::bounds::Exceeded;

/// Name of the filter that checks a new value. No template can write it.
pub(super) const CHECK: &str = "\u{0}check";
/// Name of the filter that checks a value before a namespace keeps it.
pub(super) const CHECK_KEPT: &str = "\u{0}check-kept";
/// Name of the filter that reads the clock.
pub(super) const TICK: &str = "\u{0}tick";

/// Most bytes of a template. The largest that we know have 20 kB.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Most tokens of one tag, which bound the depth of its expression. The largest that we know has 600.
const MAX_TAG_TOKENS: usize = 4_000;
/// Most `elif` tags. Each of them is nested in the one before.
const MAX_ELIFS: usize = 1_000;
/// The place of a filter in the engine's cache, for one that is not in it.
const NOT_CACHED: u8 = u8::MAX;

/// A compiled template.
pub(super) struct Compiled<'a> {
    pub(super) instructions: Instructions<'a>,
    pub(super) blocks: BTreeMap<&'a str, Instructions<'a>>,
}

/// Compiles `source`. Needs a large stack, because expressions are trees.
pub(super) fn compile<'a>(
    source: &'a str,
    name: &'a str,
    syntax: &SyntaxConfig,
) -> Result<Compiled<'a>, Error> {
    check_size(source, syntax)?;
    let tree = parse(source, name, syntax.clone())?;
    let mut generator = CodeGenerator::new(name, source);
    generator.compile_stmt(&tree);
    let (instructions, blocks) = generator.finish();
    let blocks = blocks.into_iter().map(|(name, block)| (name, instrument(&block))).collect();
    Ok(Compiled { instructions: instrument(&instructions), blocks })
}

/// Refuses templates whose tree would be too deep.
fn check_size(source: &str, syntax: &SyntaxConfig) -> Result<(), Error> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(Exceeded("it is longer than 1 MiB").into());
    }
    let (mut in_tag, mut elifs) = (0, 0);
    for token in tokenize(source, false, syntax.clone()) {
        let (token, _) = token?;
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => in_tag = 0,
            Token::Ident("elif") if in_tag == 0 => elifs += 1,
            _ => in_tag += 1,
        }
        if in_tag > MAX_TAG_TOKENS {
            return Err(Exceeded("one of its tags is too long").into());
        }
        if elifs > MAX_ELIFS {
            return Err(Exceeded("it has too many `elif` tags").into());
        }
    }
    Ok(())
}

/// Returns a copy of the instructions with checks between them.
fn instrument<'a>(plain: &Instructions<'a>) -> Instructions<'a> {
    let all = || (0..).map_while(|at| Some((at, plain.get(at)?)));
    // Where each instruction is in the copy, so that jumps find it. A jump may lead behind the last one.
    let mut places = Vec::new();
    let mut next = 0;
    for (_, instruction) in all() {
        places.push(next);
        next += (before(instruction).len() + 1 + after(instruction).len()) as u32;
    }
    places.push(next);
    let mut copy = Instructions::new(plain.name(), plain.source());
    for (at, instruction) in all() {
        let moved = [with_target(instruction.clone(), &places)];
        let parts = [before(instruction), &moved, after(instruction)];
        for part in parts.into_iter().flatten() {
            match (plain.get_span(at), plain.get_line(at)) {
                (Some(span), _) => copy.add_with_span(part.clone(), span),
                (None, Some(line)) => copy.add_with_line(part.clone(), line as u16),
                (None, None) => copy.add(part.clone()),
            };
        }
    }
    copy
}

const CHECK_TOP: Instruction<'static> = Instruction::ApplyFilter(CHECK, Some(1), NOT_CACHED);
const CHECK_KEPT_TOP: Instruction<'static> =
    Instruction::ApplyFilter(CHECK_KEPT, Some(1), NOT_CACHED);
const TICK_TOP: Instruction<'static> = Instruction::ApplyFilter(TICK, Some(1), NOT_CACHED);

/// Returns the checks before an instruction.
fn before(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    match instruction {
        // The value is below the namespace.
        Instruction::SetAttr(_) => &[Instruction::Swap, CHECK_KEPT_TOP, Instruction::Swap],
        _ => &[],
    }
}

/// Returns the checks after an instruction.
fn after(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    match instruction {
        Instruction::Add
        | Instruction::Mul
        | Instruction::Slice
        | Instruction::BuildMap(_)
        | Instruction::BuildList(Some(_))
        | Instruction::BuildTuple(Some(_))
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_) => &[CHECK_TOP],
        Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::In
        | Instruction::PerformTest(..)
        | Instruction::StringConcat
        | Instruction::EndCapture
        // The next item of a loop.
        | Instruction::Iterate(_) => &[TICK_TOP],
        _ => &[],
    }
}

/// Lets a jump lead to the place in the copy.
fn with_target<'a>(mut instruction: Instruction<'a>, places: &[u32]) -> Instruction<'a> {
    match &mut instruction {
        Instruction::Iterate(to)
        | Instruction::Jump(to)
        | Instruction::JumpIfFalse(to)
        | Instruction::JumpIfFalseOrPop(to)
        | Instruction::JumpIfTrueOrPop(to)
        | Instruction::BuildMacro(_, to, _) => *to = places[*to as usize],
        _ => {}
    }
    instruction
}
