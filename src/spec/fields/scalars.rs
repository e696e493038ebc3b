//! Reading the fields that are neither lists nor plain numbers.

use super::paths::host_path;
use crate::spec::{Choices, Entry, Mistake, Network, Place, Problem, RootOverlay, Value};

pub fn network(entry: &Entry) -> Result<Network, Mistake> {
    let Value::String(name) = &entry.value.value else {
        return Err(entry.value.wrong_type(
            entry.place(),
            "`\"disabled\"`, `\"loopback\"` or `\"local\"`",
        ));
    };
    match name.as_str() {
        "disabled" => Ok(Network::Disabled),
        "loopback" => Ok(Network::Loopback),
        "local" => Ok(Network::Local),
        name => Err(entry.value.mistake(Problem::Unknown {
            what: "network",
            name: name.to_owned(),
            choices: Choices::new(name, ["disabled", "loopback", "local"]),
        })),
    }
}

pub fn root_overlay(entry: &Entry) -> Result<RootOverlay, Mistake> {
    match &entry.value.value {
        Value::String(name) => match name.as_str() {
            "none" => Ok(RootOverlay::None),
            "tmp" => Ok(RootOverlay::Tmp),
            name => Err(entry.value.mistake(Problem::Unknown {
                what: "root overlay",
                name: name.to_owned(),
                choices: Choices::new(name, ["none", "tmp", "{ local = { upper, work } }"]),
            })),
        },
        Value::Map(map) => {
            let mut local = None;
            for entry in map {
                if entry.name() != "local" {
                    return Err(entry.mistake(Problem::Unknown {
                        what: "root overlay",
                        name: entry.name().to_owned(),
                        choices: Choices::new(entry.name(), ["local"]),
                    }));
                }
                local = Some(local_overlay(entry)?);
            }
            local.ok_or_else(|| {
                entry.value.mistake(Problem::Missing {
                    what: entry.place().to_string(),
                    field: "local",
                })
            })
        }
        _ => Err(entry.value.wrong_type(
            entry.place(),
            "`\"none\"`, `\"tmp\"` or `{ local = { upper, work } }`",
        )),
    }
}

fn local_overlay(entry: &Entry) -> Result<RootOverlay, Mistake> {
    let mut upper = None;
    let mut work = None;
    for field in entry.map()? {
        let path = || host_path(&field.value, field.place());
        match field.name() {
            "upper" => upper = Some(path()?),
            "work" => work = Some(path()?),
            _ => return Err(field.unknown_field(&"`local`", ["upper", "work"])),
        }
    }
    let missing = |field| {
        entry.value.mistake(Problem::Missing {
            what: Place::Field("local").to_string(),
            field,
        })
    };
    let upper = upper.ok_or_else(|| missing("upper"))?;
    let work = work.ok_or_else(|| missing("work"))?;
    if upper == work {
        return Err(entry.value.mistake(Problem::UpperIsWork));
    }
    Ok(RootOverlay::Local { upper, work })
}

pub fn hostname(entry: &Entry) -> Result<String, Mistake> {
    let hostname = entry.string()?;
    let good = (1..=64).contains(&hostname.len())
        && hostname
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !good {
        return Err(entry.value.mistake(Problem::Hostname {
            hostname: hostname.to_owned(),
        }));
    }
    Ok(hostname.to_owned())
}
