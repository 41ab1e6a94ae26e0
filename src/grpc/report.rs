//! A version as a page for people.

use tonic::{Code, Status};

use crate::app::App;
use crate::model::CancelToken;
use crate::report::{DriftPart, ReportError, Subject, page};
use crate::repository::{ModelName, Version};
use crate::serving::Selector;
use crate::training::drift;

use super::convert::required_model;
use super::drift::run;
use super::models::version_number;
use super::proto;
use super::status::{from_repository, status};

/// Makes the page. The look at all customers, where one is asked for, ends when `cancel` is set.
pub(super) fn get(
    app: &App,
    request: proto::GetModelVersionReportRequest,
    cancel: &CancelToken,
) -> Result<proto::ModelVersionReport, Status> {
    let proto::GetModelVersionReportRequest { model, selector, include_drift } = request;
    let name = required_model(&model)?;
    let number = version_number(app, &name, selector)?;
    let drift =
        if include_drift { measured(app, &name, number, cancel) } else { DriftPart::NotAsked };
    let shop = (app.store().clock(), app.config().currency.as_str());
    let subject = Subject::gather(app.catalog().repository(), &name, number, shop, drift)
        .map_err(|error| from_repository(&error))?;
    let html = page(&subject).map_err(|error| from_report(&error))?;
    Ok(proto::ModelVersionReport { model: name.to_string(), version: number as i64, html })
}

/// The drift of today; why there is none otherwise.
fn measured(app: &App, name: &ModelName, number: Version, cancel: &CancelToken) -> DriftPart {
    let served = match app.catalog().resolve(name, &Selector::Version(number)) {
        Ok(served) => served,
        Err(error) => return DriftPart::Impossible(error.to_string()),
    };
    let run = run(app, cancel);
    match drift(app.store(), app.catalog().repository(), served.loaded(), None, &run) {
        Ok(report) => DriftPart::Measured(report),
        Err(error) => DriftPart::Impossible(error.to_string()),
    }
}

fn from_report(error: &ReportError) -> Status {
    match error {
        ReportError::Repository(error) => from_repository(error),
        ReportError::Drawing(_) | ReportError::Page(_) => {
            status(Code::Internal, "INTERNAL", error.to_string())
        }
    }
}
