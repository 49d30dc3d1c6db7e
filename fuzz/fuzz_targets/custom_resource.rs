#![no_main]
//! Objects of our kinds, as people write them: all that is wrong is said by field, in printable words. What is right in a namespace is
//! right anywhere, and when it is read back.
use std::fmt::Debug;

use breakwater_core::{policy::Policy, printable};
use breakwater_crds::{
    ImagePolicy, RuntimeBaseline, ScanJob,
    validation::{self, Baseline, Problems, Scan},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn check<K, T: Debug + PartialEq>(
    object: &Value,
    validate: impl Fn(&K) -> Result<T, Problems>,
    anywhere: impl Fn(&K) -> Result<T, Problems>,
) where
    K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let judged = validation::read::<K>(object).and_then(|read| Ok((validate(&read)?, read)));
    match judged {
        Ok((valid, read)) => {
            assert!(anywhere(&read).is_ok());
            let written = serde_json::to_value(&read).unwrap();
            assert_eq!(validate(&validation::read(&written).unwrap()), Ok(valid));
        }
        Err(problems) => {
            assert!(problems.iter().count() > 0);
            for problem in problems.iter().map(ToString::to_string) {
                assert_eq!(printable::line(&problem, 1_500), problem);
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|yaml: &str| {
    let Ok(objects) = serde_saphyr::from_multiple::<Value>(yaml) else { return };
    for object in objects {
        let home = "breakwater-system";
        check::<ImagePolicy, _>(&object, |it| it.validate(home), |it| Policy::try_from(&it.spec));
        check::<ScanJob, _>(&object, |it| it.validate(home), |it| Scan::try_from(&it.spec));
        check::<RuntimeBaseline, _>(&object, |it| it.validate(home), |it| Baseline::try_from(&it.spec));
    }
});
