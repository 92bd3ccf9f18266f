//! Names for containers that were given none.

/// What it is like there.
const WEATHER: [&str; 48] = [
    "amber", "ancient", "balmy", "bright", "briny", "calm", "clear", "coastal", "cool", "coral", "curved",
    "distant", "dune", "early", "easy", "fair", "flat", "foggy", "gentle", "gleaming", "golden", "grassy",
    "green", "hidden", "hushed", "late", "leeward", "light", "long", "low", "lucid", "mild", "misty",
    "narrow", "northern", "open", "pale", "quiet", "salty", "sandy", "shallow", "silver", "slow", "southern",
    "still", "sunny", "tidal", "windward",
];

/// Strips of sand, spits and islands, and what lives on them.
const PLACES: [&str; 48] = [
    "angel",
    "ardnish",
    "barra",
    "cadiz",
    "chesil",
    "cormorant",
    "curlew",
    "cuttle",
    "dingle",
    "eider",
    "farne",
    "fidra",
    "fraser",
    "gannet",
    "giens",
    "gibraltar",
    "godwit",
    "grebe",
    "gull",
    "howth",
    "jura",
    "kelp",
    "knot",
    "limpet",
    "llandudno",
    "marram",
    "maury",
    "monte",
    "nahant",
    "orbetello",
    "osprey",
    "palm",
    "peniche",
    "petrel",
    "plover",
    "portland",
    "puffin",
    "quiberon",
    "sanderling",
    "shoal",
    "spurn",
    "stint",
    "tern",
    "thrift",
    "tresco",
    "turnstone",
    "vashon",
    "whelk",
];

/// A name out of random bytes: `quiet_curlew`; with digits once plain ones were taken `attempt` times.
pub(crate) fn name(random: [u8; 4], attempt: u32) -> String {
    let [a, b, c, d] = random.map(usize::from);
    let plain = format!("{}_{}", WEATHER[a % WEATHER.len()], PLACES[b % PLACES.len()]);
    if attempt < 6 { plain } else { format!("{plain}{}", c * 256 + d) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::is_name;

    #[test]
    fn every_name_made_up_is_a_name() {
        for byte in 0..=255 {
            assert!(is_name(&name([byte, byte, byte, byte], 0)));
        }
        assert_eq!(name([0, 0, 1, 2], 6), "amber_angel258");
    }
}
