//! Tables of instructions and of mistakes.

use proptest::prelude::*;

use crate::{Argument, CommandLine, Copy, Dockerfile, Inline, Instruction, Pair, Step};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |(name, value): &(&str, &str)| Pair { name: (*name).to_owned(), value: (*value).to_owned() };
    pairs.iter().map(pair).collect()
}

fn shell(text: &str) -> CommandLine {
    CommandLine::Shell(text.to_owned())
}

fn copy(sources: &[&str], destination: &str) -> Copy {
    let nothing = String::new;
    Copy {
        sources: texts(sources),
        inline: Vec::new(),
        destination: destination.to_owned(),
        from: nothing(),
        owner: nothing(),
        mode: nothing(),
    }
}

#[track_caller]
fn check(text: &str, expected: Instruction) {
    let step = Step::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(step.instruction, expected, "{text}");
}

#[test]
fn every_instruction_is_read() {
    check("run echo  a", Instruction::Run(shell("echo  a")));
    check("RUN [\"a\", \"b\"]", Instruction::Run(CommandLine::Exec(texts(&["a", "b"]))));
    check("CMD x", Instruction::Cmd(shell("x")));
    check("CMD", Instruction::Cmd(CommandLine::Exec(Vec::new())));
    check("ENTRYPOINT []", Instruction::Entrypoint(CommandLine::Exec(Vec::new())));
    check(
        "ENV a=1 b=\"x y\" c=d\\ e",
        Instruction::Env(pairs(&[("a", "1"), ("b", "\"x y\""), ("c", "d\\ e")])),
    );
    check("ENV a b  c=d", Instruction::Env(pairs(&[("a", "b  c=d")])));
    check("LABEL a.b=c", Instruction::Label(pairs(&[("a.b", "c")])));
    let arg = |name: &str, default: Option<&str>| Argument {
        name: name.to_owned(),
        default: default.map(ToOwned::to_owned),
    };
    check("ARG a b=c d=", Instruction::Arg(vec![arg("a", None), arg("b", Some("c")), arg("d", Some(""))]));
    check("EXPOSE 80 53/udp", Instruction::Expose(texts(&["80", "53/udp"])));
    check("VOLUME /a /b", Instruction::Volume(texts(&["/a", "/b"])));
    check("VOLUME [\"/a b\"]", Instruction::Volume(texts(&["/a b"])));
    check("USER a:b", Instruction::User("a:b".to_owned()));
    check("WORKDIR /a b", Instruction::Workdir("/a b".to_owned()));
    check("STOPSIGNAL 9", Instruction::StopSignal("9".to_owned()));
    check("SHELL [\"/bin/bash\", \"-c\"]", Instruction::Shell(texts(&["/bin/bash", "-c"])));
    check("MAINTAINER me <a@b>", Instruction::Maintainer("me <a@b>".to_owned()));
    check("ONBUILD RUN a", Instruction::OnBuild("RUN a".to_owned()));
    check("COPY a b /c/", Instruction::Copy(copy(&["a", "b"], "/c/")));
    check("ADD [\"a b\", \"/c\"]", Instruction::Add(copy(&["a b"], "/c")));
    let flags =
        Copy { from: "x".to_owned(), owner: "1:2".to_owned(), mode: "755".to_owned(), ..copy(&["a"], "b") };
    check("COPY --from=x --chown=1:2 --chmod=755 a b", Instruction::Copy(flags));
}

#[test]
fn heredocs_are_scripts_and_files() {
    check("RUN <<EOF\na\nb\nEOF", Instruction::Run(shell("a\nb\n")));
    check("RUN cat <<A > /x\na\nA", Instruction::Run(shell("cat <<A > /x\na\nA")));
    let inline = Inline { name: "f".to_owned(), content: "$x\n".to_owned(), expands: false };
    check("COPY <<'f' g /d/\n$x\nf", Instruction::Copy(Copy { inline: vec![inline], ..copy(&["g"], "/d/") }));
    check("ONBUILD RUN <<E\na\nE", Instruction::OnBuild("RUN <<E\na\nE".to_owned()));
}

#[test]
fn stages_are_found_by_name_and_number() {
    let file =
        "ARG v=1\nFROM a:$v AS Build\nRUN x\nFROM --platform=linux/amd64 scratch\nCOPY --from=build a b\n";
    let file = Dockerfile::parse(file).unwrap();
    assert_eq!(file.arguments[0].0, "ARG v=1");
    assert_eq!(file.stages[0].text, "FROM a:$v AS Build");
    assert_eq!(file.stages[0].name.as_deref(), Some("build"));
    assert_eq!(file.stages[1].platform, "linux/amd64");
    assert_eq!((file.stage("BUILD"), file.stage("1"), file.stage("2")), (Some(0), Some(1), None));
}

#[test]
fn mistakes_are_sentences_with_lines() {
    for (text, expected) in [
        ("", "file with no instructions"),
        ("# nothing\n", "file with no instructions"),
        ("ARG a\n", "dockerfile contains no stages to build"),
        ("FROM a\n\nFOO b", "dockerfile parse error on line 3: unknown instruction: FOO"),
        ("RUN a", "dockerfile parse error on line 1: no build stage in current context"),
        ("FROM", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
        ("FROM a b c", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
        (
            "FROM a AS 1",
            "dockerfile parse error on line 1: invalid name for build stage: \"1\", name can't start with a number or contain symbols",
        ),
        ("FROM a\nRUN", "dockerfile parse error on line 2: RUN requires at least one argument"),
        (
            "FROM a\nCOPY b",
            "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined.",
        ),
        ("FROM a\nENV", "dockerfile parse error on line 2: ENV requires at least one argument"),
        ("FROM a\nENV x", "dockerfile parse error on line 2: ENV must have two arguments"),
        ("FROM a\nENV =x", "dockerfile parse error on line 2: ENV names can not be blank"),
        (
            "FROM a\nLABEL x=1 y",
            "dockerfile parse error on line 2: Syntax error - can't find = in \"y\". Must be of the form: name=value",
        ),
        (
            "FROM a\nSHELL sh",
            "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form",
        ),
        (
            "FROM a\nCMD [1]",
            "dockerfile parse error on line 2: when using JSON array syntax, arrays must be comprised of strings only",
        ),
        ("FROM a\nUSER", "dockerfile parse error on line 2: USER requires exactly one argument"),
        ("FROM a\nUSER --x=1 b", "dockerfile parse error on line 2: unknown flag: --x"),
        (
            "FROM a\nONBUILD ONBUILD RUN x",
            "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        ),
        (
            "FROM a\nONBUILD FROM b",
            "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger",
        ),
        ("FROM a\nONBUILD FOO", "dockerfile parse error on line 2: unknown instruction: FOO"),
        (
            "FROM a\nRUN \\\n --mount=type=cache x",
            "dockerfile parse error on line 2: the --mount option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled",
        ),
        (
            "FROM a\nVOLUME [\" \"]",
            "dockerfile parse error on line 2: VOLUME specified can not be an empty string",
        ),
        (
            "FROM a\nCOPY a <<b\nb",
            "dockerfile parse error on line 2: the destination of COPY cannot be a heredoc",
        ),
    ] {
        assert_eq!(Dockerfile::parse(text).expect_err(text).to_string(), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(text in "(FROM a\n)?([A-Z]{0,4}(RUN|COPY|ENV|ADD|HEALTHCHECK)? ?[-=\\[\\]\"'\\\\<>a-c \t]{0,20}\n?){0,6}") {
        drop(Dockerfile::parse(&text));
    }
}
