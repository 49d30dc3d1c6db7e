//! What holds for every field of every definition: the API server, server-side apply and people rely on it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test relies on and does not get, fails it"
)]

use std::{fs, path::Path};

use breakwater_crds::{definition, manifest};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// `kubectl apply` keeps a copy of the object in an annotation; annotations may have 256 KiB in all.
const MAX_DEFINITION: usize = 256 << 10;

fn root(definition: &CustomResourceDefinition) -> &JSONSchemaProps {
    definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap()
}

fn walk<'a>(path: &str, schema: &'a JSONSchemaProps, visit: &mut impl FnMut(&str, &'a JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(&format!("{path}[]"), items, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), values, visit);
    }
}

#[test]
fn the_files_in_config_are_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/crd");
    for file in manifest::files().unwrap() {
        let committed = fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
        assert!(
            committed == file.content,
            "{} is stale: cargo run -p breakwater-crds --bin crdgen",
            file.name
        );
        assert!(file.content.len() < MAX_DEFINITION, "{} has {} bytes", file.name, file.content.len());
    }
}

#[test]
fn every_field_is_bounded_explained_and_of_a_type_the_api_server_knows() {
    for definition in definition::all() {
        let kind = &definition.spec.names.kind;
        walk(kind, root(&definition), &mut |path, schema| {
            let type_ = schema.type_.as_deref().unwrap_or_else(|| panic!("{path} has no type"));
            let bounded = match type_ {
                "string" => schema.max_length.is_some() || schema.enum_.is_some(),
                "array" => schema.max_items.is_some(),
                "integer" => {
                    let known = matches!(schema.format.as_deref(), Some("int32" | "int64"));
                    assert!(known, "{path} has format {:?}", schema.format);
                    schema.minimum.is_some()
                }
                "boolean" | "object" => true,
                other => panic!("{path} is a {other}"),
            };
            assert!(bounded, "{path} has no bound");
            assert!(
                schema.nullable.is_none() && schema.any_of.is_none() && schema.one_of.is_none(),
                "{path}"
            );
            if !path.ends_with("[]") && !path.ends_with("{}") {
                assert!(
                    schema.description.as_ref().is_some_and(|text| text.ends_with(['.', '>'])),
                    "{path} is not explained"
                );
            }
        });
    }
}

#[test]
fn names_columns_and_the_status_before_the_first_look() {
    let expected =
        [("ImagePolicy", "ipol", 8, 3), ("RuntimeBaseline", "rtb", 8, 0), ("ScanJob", "scj", 6, 4)];
    for (definition, (kind, short, shown, wide)) in definition::all().iter().zip(expected) {
        let names = &definition.spec.names;
        assert_eq!(names.kind, kind);
        assert_eq!(names.short_names.as_deref(), Some(&[short.to_owned()][..]));
        assert_eq!(names.categories.as_deref(), Some(&["breakwater".to_owned()][..]));
        let version = &definition.spec.versions[0];
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        let columns = version.additional_printer_columns.as_ref().unwrap();
        let is_wide = |priority: Option<i32>| priority.unwrap_or(0) > 0;
        assert_eq!(columns.iter().filter(|column| !is_wide(column.priority)).count(), shown, "{kind}");
        assert_eq!(columns.iter().filter(|column| is_wide(column.priority)).count(), wide, "{kind}");
        let status = &root(definition).properties.as_ref().unwrap()["status"];
        assert_eq!(status.default.as_ref().unwrap().0, serde_json::json!({"observedGeneration": -1}));
        let conditions = &status.properties.as_ref().unwrap()["conditions"];
        assert_eq!(conditions.x_kubernetes_list_type.as_deref(), Some("map"));
        assert_eq!(conditions.x_kubernetes_list_map_keys.as_deref(), Some(&["type".to_owned()][..]));
    }
}
