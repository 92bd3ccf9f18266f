//! What Go calls the types that a request is read into.
//!
//! A list or an object of the wrong kind is told with the type it should have been. Rust's types know what their
//! elements are, but not as a text: [`list`] and [`map`] ask the visitor for an element and give it a [`Namer`], which
//! gives none but notes what was asked for.

use serde::de::{Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::StrDeserializer};
use serde::forward_to_deserialize_any;

use super::JsonError;

/// Go's name for a struct, with its package; `*` where lists of it hold pointers. Unknown ones keep their own.
pub(super) fn go(name: &'static str) -> &'static str {
    match name {
        "NetworkCreateRequest" => "network.CreateRequest",
        "NetworkConnectRequest" => "network.ConnectRequest",
        "NetworkDisconnectRequest" => "network.DisconnectRequest",
        "Ipam" => "network.IPAM",
        "IpamConfig" => "network.IPAMConfig",
        "EndpointIpamConfig" => "network.EndpointIPAMConfig",
        "EndpointSettings" => "network.EndpointSettings",
        "NetworkingConfig" => "network.NetworkingConfig",
        "ConfigReference" => "network.ConfigReference",
        "CreateRequest" => "container.CreateRequest",
        "HostConfig" => "container.HostConfig",
        "LogConfig" => "container.LogConfig",
        "RestartPolicy" => "container.RestartPolicy",
        "DeviceMapping" => "container.DeviceMapping",
        "DeviceRequest" => "container.DeviceRequest",
        "ExecCreateRequest" => "container.ExecCreateRequest",
        "ExecStartRequest" => "container.ExecStartRequest",
        "VolumeCreateRequest" => "volume.CreateRequest",
        "Mount" => "mount.Mount",
        "BindOptions" => "mount.BindOptions",
        "VolumeOptions" => "mount.VolumeOptions",
        "TmpfsOptions" => "mount.TmpfsOptions",
        "Ulimit" => "*units.Ulimit",
        "ThrottleDevice" => "*blkiodev.ThrottleDevice",
        "WeightDevice" => "*blkiodev.WeightDevice",
        "Empty" => "struct {}",
        other => other,
    }
}

/// The same where it is one struct.
pub(super) fn one(name: &'static str) -> &'static str {
    go(name).trim_start_matches('*')
}

/// The same without its package, as Go names the holder of a field.
pub(super) fn holder(name: &'static str) -> &'static str {
    one(name).rsplit('.').next().unwrap_or(name)
}

/// The type of a list that `visitor` would make.
pub(super) fn list<'de, V: Visitor<'de>>(visitor: V) -> String {
    format!("[]{}", element(visitor.visit_seq(Nothing)))
}

/// The type of a map that `visitor` would make.
pub(super) fn map<'de, V: Visitor<'de>>(visitor: V) -> String {
    match element(visitor.visit_map(Nothing)).as_str() {
        "[]PortBinding" => "network.PortMap".to_owned(),
        element => format!("map[string]{element}"),
    }
}

/// What a visitor asked for.
fn element<T>(asked: Result<T, JsonError>) -> String {
    match asked {
        Err(JsonError::Other(name)) => name,
        Ok(_) | Err(_) => "interface {}".to_owned(),
    }
}

/// A list or an object whose first element is a [`Namer`].
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = JsonError;

    fn next_element_seed<T: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, JsonError> {
        seed.deserialize(Namer).map(Some)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = JsonError;

    fn next_key_seed<K: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        let key: StrDeserializer<'_, JsonError> = "".into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, JsonError> {
        seed.deserialize(Namer)
    }
}

/// Gives no value; its error is the name of the type that was asked for.
struct Namer;

/// One name for each simple type.
macro_rules! named {
    ($($method:ident $name:literal;)+) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, JsonError> {
            Err(JsonError::Other($name.to_owned()))
        })+
    };
}

impl<'de> Deserializer<'de> for Namer {
    type Error = JsonError;

    named! {
        deserialize_any "interface {}";
        deserialize_bool "bool";
        deserialize_i32 "int";
        deserialize_i64 "int64";
        deserialize_u16 "uint16";
        deserialize_u32 "uint";
        deserialize_u64 "uint64";
        deserialize_f64 "float64";
        deserialize_str "string";
        deserialize_string "string";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let name = element(visitor.visit_some(self));
        let is_pointer = !name.starts_with("[]") && !name.starts_with("map[");
        Err(JsonError::Other(if is_pointer { format!("*{name}") } else { name }))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        Err(JsonError::Other(list(visitor)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        Err(JsonError::Other(map(visitor)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, JsonError> {
        Err(JsonError::Other(go(name).to_owned()))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 f32 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct enum
        identifier ignored_any
    }
}
