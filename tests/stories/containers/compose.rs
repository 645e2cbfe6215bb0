//! A Compose file with its places filled in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The file as data.
#[derive(Debug)]
pub(super) struct Compose {
    file: Value,
    places: Vec<Place>,
}

/// A `${NAME:?...}` or `${NAME:-default}`.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) default: Option<String>,
}

impl Compose {
    /// Reads the file; its places are filled from `given` or their defaults.
    pub(super) fn parse(text: &str, given: &BTreeMap<String, String>) -> Self {
        let mut places = Vec::new();
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (place, after) = after.split_once('}').expect("a place ends");
            let (name, how) = place.split_once(':').expect("either :? or :-");
            let default = how.strip_prefix('-').map(str::to_owned);
            assert!(default.is_some() || how.starts_with('?'), "{place}");
            let value = given.get(name).cloned().or_else(|| default.clone());
            filled += before;
            filled += &value.unwrap_or_else(|| panic!("{name} is not in .env.example"));
            places.push(Place { name: name.to_owned(), default });
            rest = after;
        }
        filled += rest;
        let file = serde_saphyr::from_str(&filled).expect("the Compose file is YAML");
        Self { file, places }
    }

    /// Everything that has to come from outside.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.places.iter().cloned()
    }

    /// Every service.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Value)> {
        object(&self.file["services"]).iter()
    }

    /// The services whose images are built here.
    pub(super) fn ours(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.all().filter(|(_, service)| !service["build"].is_null())
    }

    /// The service of this name.
    pub(super) fn service(&self, name: &str) -> &Value {
        let service = &self.file["services"][name];
        assert!(service.is_object(), "there is no service {name}");
        service
    }

    /// The volumes that are declared.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &String> {
        object(&self.file["volumes"]).keys()
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("a mapping")
}

/// A list of words; none when it is missing.
pub(super) fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// A service's environment.
pub(super) fn variables(service: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object(&service["environment"])
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}
