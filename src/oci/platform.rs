//! Platforms: the `os/architecture/variant` of an image and of this
//! machine, and which of an index's images fits.

use std::fmt;

use serde::Serialize;

use crate::json::FromJson;

/// What an image runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
pub struct Platform {
    /// Go's name of the architecture: `amd64`, `arm64`, `386`.
    #[serde(default)]
    pub architecture: String,
    /// Go's name of the system: `linux`.
    #[serde(default)]
    pub os: String,
    /// Version of the system (Windows only).
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Features that the system must have (Windows only).
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Variant of the architecture: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// A platform text that names no known system or architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    text: String,
    reason: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: invalid argument", self.text, self.reason)
    }
}

impl std::error::Error for Error {}

/// Systems that a one-word platform may name.
const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];

/// Architectures that a one-word platform may name, after normalisation.
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le",
    "mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390x", "wasm",
];

impl Platform {
    /// Returns the platform of this program.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            other => other,
        };
        Platform::of("linux", architecture, "")
    }

    /// Makes a platform from its parts, normalised.
    pub fn of(os: &str, architecture: &str, variant: &str) -> Platform {
        let (architecture, variant) =
            normalize_architecture(architecture, variant);
        Platform {
            architecture,
            os: normalize_os(os),
            variant,
            ..Platform::default()
        }
    }

    /// Parses `os[/architecture[/variant]]`, or an architecture alone, as
    /// `--platform` takes it. What is missing is this machine's.
    pub fn parse(text: &str) -> Result<Platform, Error> {
        let error = |reason| Error { text: text.to_string(), reason };
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !parts.iter().all(plain) {
            return Err(error("invalid platform specifier"));
        }
        match parts[..] {
            [one] => {
                let os = normalize_os(one);
                if SYSTEMS.contains(&os.as_str()) {
                    let host = Platform::host();
                    return Ok(Platform { os, ..host });
                }
                let platform = Platform::of("linux", one, "");
                if ARCHITECTURES.contains(&platform.architecture.as_str()) {
                    return Ok(platform);
                }
                Err(error("unknown operating system or architecture"))
            }
            [os, architecture] => Ok(Platform::of(os, architecture, "")),
            [os, architecture, variant] => {
                Ok(Platform::of(os, architecture, variant))
            }
            _ => Err(error("cannot parse platform specifier")),
        }
    }

    /// Says how well an image of the platform `image` serves where `self`
    /// is wanted: 0 is an exact match, more is worse, `None` does not run.
    /// An amd64 machine runs 386 images, an arm one those of lower
    /// variants.
    pub fn rank(&self, image: &Platform) -> Option<usize> {
        let wanted = Platform::of(&self.os, &self.architecture, &self.variant);
        let image =
            Platform::of(&image.os, &image.architecture, &image.variant);
        if image.os != wanted.os {
            return None;
        }
        wanted.accepted().iter().position(|(architecture, variant)| {
            *architecture == image.architecture && *variant == image.variant
        })
    }

    /// The pairs of architecture and variant that serve, best first.
    fn accepted(&self) -> Vec<(String, String)> {
        let arch = self.architecture.as_str();
        let mut list = vec![(arch.to_string(), self.variant.clone())];
        let level: u32 = self
            .variant
            .strip_prefix('v')
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
            .min(16);
        match arch {
            "amd64" => {
                for lower in (1..level).rev() {
                    list.push(normalize_architecture(
                        arch,
                        &format!("v{lower}"),
                    ));
                }
                list.push(("386".into(), String::new()));
            }
            "arm" => {
                for lower in (5..level).rev() {
                    list.push(("arm".into(), format!("v{lower}")));
                }
            }
            "arm64" => {
                let level = if level == 0 { 8 } else { level };
                for lower in (8..level).rev() {
                    list.push(normalize_architecture(
                        arch,
                        &format!("v{lower}"),
                    ));
                }
                for lower in (5..=8).rev() {
                    list.push(("arm".into(), format!("v{lower}")));
                }
            }
            _ => {}
        }
        list
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let os = if self.os.is_empty() { "unknown" } else { &self.os };
        f.write_str(os)?;
        for part in [&self.architecture, &self.variant] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

fn normalize_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "" => "linux".into(),
        "macos" => "darwin".into(),
        other => other.into(),
    }
}

fn normalize_architecture(arch: &str, variant: &str) -> (String, String) {
    let arch = arch.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (arch, variant) = match (arch.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (arch, variant) => (arch, variant),
    };
    (arch.to_string(), variant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_text_is_normalised() {
        let cases = [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AARCH64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("armhf", "linux/arm/v7"),
            ("amd64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("windows/amd64", "windows/amd64"),
        ];
        for (text, shown) in cases {
            assert_eq!(Platform::parse(text).unwrap().to_string(), shown);
        }
        let host = Platform::parse("linux").unwrap();
        assert_eq!(host, Platform::host());
    }

    #[test]
    fn an_unknown_platform_is_refused() {
        assert_eq!(
            Platform::parse("nope").unwrap_err().to_string(),
            "\"nope\": unknown operating system or architecture: \
             invalid argument"
        );
        assert!(Platform::parse("").is_err());
        assert!(Platform::parse("linux//v7").is_err());
        assert!(Platform::parse("a/b/c/d").is_err());
    }

    #[test]
    fn an_amd64_machine_prefers_amd64_and_takes_386() {
        let host = Platform::of("linux", "amd64", "");
        let rank = |text| host.rank(&Platform::parse(text).unwrap());
        assert_eq!(rank("linux/amd64"), Some(0));
        assert!(rank("linux/386") > Some(0));
        assert_eq!(rank("linux/amd64/v2"), None);
        assert_eq!(rank("linux/arm64"), None);
        assert_eq!(rank("windows/amd64"), None);
    }

    #[test]
    fn a_higher_variant_takes_lower_ones_best_first() {
        let wanted = Platform::parse("linux/amd64/v3").unwrap();
        let rank = |text| wanted.rank(&Platform::parse(text).unwrap());
        assert!(rank("linux/amd64/v2") < rank("linux/amd64"));
        assert!(rank("linux/amd64").is_some());
        let arm = Platform::parse("linux/arm/v7").unwrap();
        assert!(arm.rank(&Platform::parse("linux/arm/v6").unwrap()).is_some());
        assert!(arm.rank(&Platform::parse("linux/arm/v8").unwrap()).is_none());
    }
}
