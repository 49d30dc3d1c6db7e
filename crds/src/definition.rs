//! The CustomResourceDefinitions, as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

use crate::{ImagePolicy, RuntimeBaseline, ScanJob, schema};

/// All three, in the order of their names.
#[must_use]
pub fn all() -> [CustomResourceDefinition; 3] {
    [ImagePolicy::crd(), RuntimeBaseline::crd(), ScanJob::crd()].map(finish)
}

/// What the derive cannot say: a status before the first look, and what [`tidy`] does.
fn finish(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else {
            continue;
        };
        tidy(root);
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(schema::fresh_status()));
        }
    }
    definition
}

/// No field is nullable: the API server then prunes nulls, and CEL and the controller see "absent" only. Descriptions are paragraphs,
/// which `kubectl explain` wraps itself.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
