//! A Dockerfile as its stages and their instructions, no more than our own needs.

/// The stages in their order.
#[derive(Debug)]
pub(super) struct Dockerfile(Vec<Stage>);

#[derive(Debug)]
struct Stage {
    name: String,
    base: String,
    instructions: Vec<(String, String)>,
}

/// A COPY: what, and from which stage when it is not the repository.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) from: Option<String>,
    pub(super) sources: Vec<String>,
}

const KNOWN: [&str; 10] =
    ["WORKDIR", "COPY", "ENV", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD", "FROM"];

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
        let joined = lines.join("\n").replace("\\\n", " ");
        let mut stages: Vec<Stage> = Vec::new();
        for line in joined.lines().filter(|line| !line.trim().is_empty()) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            assert!(KNOWN.contains(&word), "not an instruction: {line}");
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            if word == "FROM" {
                let (base, name) = rest.split_once(" AS ").expect("our stages have names");
                let (name, base) = (name.to_owned(), base.to_owned());
                stages.push(Stage { name, base, instructions: Vec::new() });
            } else {
                let stage = stages.last_mut().expect("FROM comes first");
                stage.instructions.push((word.to_owned(), rest));
            }
        }
        Self(stages)
    }

    /// The images that are not stages of this file.
    pub(super) fn bases(&self) -> impl Iterator<Item = &str> {
        let bases = self.0.iter().map(|stage| stage.base.as_str());
        bases.filter(|base| self.0.iter().all(|stage| stage.name != *base))
    }

    /// Every COPY.
    pub(super) fn copies(&self) -> impl Iterator<Item = Copy> {
        let all = self.0.iter().flat_map(|stage| &stage.instructions);
        all.filter(|(word, _)| word == "COPY").map(|(_, rest)| {
            let mut words: Vec<String> = rest.split(' ').map(str::to_owned).collect();
            words.pop().expect("a target");
            let from = words[0].strip_prefix("--from=").map(str::to_owned);
            let sources = words.split_off(usize::from(from.is_some()));
            Copy { from, sources }
        })
    }

    /// The last such instruction of the stage or of what it is built on.
    pub(super) fn last(&self, stage: &str, word: &str) -> Option<&str> {
        let stage = self.0.iter().find(|one| one.name == stage)?;
        let own = stage.instructions.iter().rfind(|(one, _)| one == word);
        own.map(|(_, rest)| rest.as_str()).or_else(|| self.last(&stage.base, word))
    }

    /// As [`Dockerfile::last`], of an instruction with a JSON list of words.
    pub(super) fn words(&self, stage: &str, word: &str) -> Option<Vec<String>> {
        let rest = self.last(stage, word)?;
        let list = &rest[rest.find('[')?..];
        Some(serde_json::from_str(list).expect("a list of words"))
    }

    /// The variables of the stage and of what it is built on.
    pub(super) fn variables(&self, stage: &str) -> std::vec::IntoIter<(String, String)> {
        let mut found = Vec::new();
        let mut next = Some(stage);
        while let Some(stage) = next.and_then(|name| self.0.iter().find(|one| one.name == name)) {
            let given = stage.instructions.iter().filter(|(word, _)| word == "ENV");
            found.extend(given.map(|(_, rest)| {
                let (name, value) = rest.split_once('=').expect("NAME=value");
                (name.to_owned(), value.to_owned())
            }));
            next = Some(&stage.base);
        }
        found.into_iter()
    }
}
