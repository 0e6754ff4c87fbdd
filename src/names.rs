//! Names of containers: which are valid, and those that are made up for
//! containers without one: an adjective and the surname of somebody who
//! furthered science or computing.

use crate::sys::random;

const ADJECTIVES: [&str; 96] = [
    "able", "agile", "alert", "amber", "ample", "apt", "ardent", "astute",
    "avid", "balmy", "blithe", "bold", "brave", "breezy", "bright", "brisk",
    "calm", "candid", "cheery", "civil", "clever", "cordial", "cosmic", "cosy",
    "crisp", "curious", "daring", "deft", "diligent", "droll", "eager",
    "earnest", "fair", "fearless", "festive", "fluent", "fond", "frank",
    "free", "gallant", "gentle", "genuine", "gleeful", "golden", "graceful",
    "grand", "hale", "hardy", "hearty", "honest", "humble", "jaunty", "jolly",
    "jovial", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow",
    "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid",
    "plucky", "polite", "proud", "quick", "quiet", "rapid", "ready", "robust",
    "serene", "sharp", "silent", "silver", "sincere", "smart", "snug", "sober",
    "solar", "spry", "stately", "steady", "sunny", "swift", "tidy", "trusty",
    "valiant", "warm", "witty",
];

const SURNAMES: [&str; 128] = [
    "abel",
    "ada",
    "agnesi",
    "ampere",
    "archimedes",
    "avogadro",
    "babbage",
    "backus",
    "banach",
    "bardeen",
    "becquerel",
    "bell",
    "bernoulli",
    "bohr",
    "boltzmann",
    "boole",
    "born",
    "bose",
    "brahe",
    "cantor",
    "carnot",
    "carson",
    "cauchy",
    "cavendish",
    "celsius",
    "chandra",
    "church",
    "clarke",
    "codd",
    "copernicus",
    "coulomb",
    "crick",
    "curie",
    "dalton",
    "darwin",
    "davy",
    "descartes",
    "dijkstra",
    "diophantus",
    "dirac",
    "eckert",
    "edison",
    "einstein",
    "engelbart",
    "erdos",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fibonacci",
    "fourier",
    "franklin",
    "fresnel",
    "galileo",
    "galois",
    "galvani",
    "gauss",
    "germain",
    "gibbs",
    "goedel",
    "goodall",
    "haber",
    "halley",
    "hamilton",
    "hawking",
    "heisenberg",
    "helmholtz",
    "hertz",
    "hilbert",
    "hopper",
    "hubble",
    "huygens",
    "hypatia",
    "jacobi",
    "johnson",
    "joule",
    "kelvin",
    "kepler",
    "kilby",
    "knuth",
    "kovalevskaya",
    "lagrange",
    "lamarr",
    "laplace",
    "lavoisier",
    "leavitt",
    "leibniz",
    "linnaeus",
    "lorentz",
    "lovelace",
    "maxwell",
    "mccarthy",
    "meitner",
    "mendel",
    "mendeleev",
    "minkowski",
    "napier",
    "nash",
    "newton",
    "nobel",
    "noether",
    "ohm",
    "pascal",
    "pasteur",
    "pauli",
    "perlman",
    "planck",
    "poincare",
    "raman",
    "ramanujan",
    "riemann",
    "ritchie",
    "rutherford",
    "sagan",
    "shannon",
    "somerville",
    "tesla",
    "thompson",
    "torvalds",
    "turing",
    "volta",
    "watt",
    "wien",
    "wirth",
    "yalow",
    "zuse",
];

/// Makes up a name: `keen_hopper`. The caller asks again with a higher
/// attempt while the name is taken; from the second on a digit is appended.
pub fn generate(attempt: u32) -> String {
    let [a, b, c] = random::bytes::<3>().map(usize::from);
    // 96 words from 256 values: some are a little likelier, which is fine.
    let adjective = ADJECTIVES[a % ADJECTIVES.len()];
    let surname = SURNAMES[b % SURNAMES.len()];
    match attempt {
        0 => format!("{adjective}_{surname}"),
        _ => format!("{adjective}_{surname}{}", c % 10),
    }
}

/// Tells if a text can be a container's name:
/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.len() > 0
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_valid() {
        for attempt in 0..200 {
            let name = generate(attempt);
            assert!(is_valid(&name), "{name}");
            let digit = name.ends_with(|c: char| c.is_ascii_digit());
            assert_eq!(digit, attempt > 0, "{name}");
            assert_eq!(name.matches('_').count(), 1);
        }
    }

    #[test]
    fn no_word_stands_twice() {
        for words in [&ADJECTIVES[..], &SURNAMES[..]] {
            assert!(words.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn names_keep_dockers_rule() {
        for good in ["ab", "a.b", "0-_", "Web_1", "a--"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "_a", ".a", "-a", "a b", "a/b", "/web", "aé"] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
