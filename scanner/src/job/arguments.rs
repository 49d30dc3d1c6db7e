use std::path::{Path, PathBuf};

use breakwater_core::{
    printable,
    scan::{MAX_IMAGES, MAX_MIRRORS, MAX_REPOSITORIES, Question},
};

use super::{Intake, IntakeError};
use crate::{
    limits::MAX_CREDENTIALS,
    registry::{Connection, Credentials, Options, Pace, Providers, RegistryError, Trust},
};

/// What the Job is started with. Secrets come as files, never as arguments or variables.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "breakwater-scanner",
    version,
    about = "Scans the images of one question and reports to intake."
)]
pub struct Arguments {
    /// The question as JSON.
    #[arg(long, env = "BREAKWATER_QUESTION", hide_env_values = true)]
    pub question: String,
    /// Which of the pods that share the question this is, from 0; an Indexed Job says so.
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0)]
    pub index: u32,
    /// The projected token that intake knows this pod by; read again for every request.
    #[arg(long, default_value = "/var/run/secrets/breakwater/token")]
    pub token_file: PathBuf,
    /// The only certificate authorities that vouch for intake, as PEM.
    #[arg(long)]
    pub intake_ca: PathBuf,
    /// Registry credentials, a docker configuration file.
    #[arg(long)]
    pub credentials: Option<PathBuf>,
    /// Certificate authorities that vouch for the registry besides the system's, as PEM.
    #[arg(long)]
    pub registry_ca: Option<PathBuf>,
    /// The kubelet's configuration of credential providers, for a pod that has it mounted; asked where there are no other credentials.
    #[arg(long, requires = "credential_provider_bin_dir")]
    pub credential_provider_config: Option<PathBuf>,
    /// Where the programs of these providers are.
    #[arg(long, requires = "credential_provider_config")]
    pub credential_provider_bin_dir: Option<PathBuf>,
}

/// Why a Job cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the question cannot be understood: {0}")]
    Question(String),
    #[error(
        "the question names {images} images and {repositories} repositories; up to {MAX_IMAGES} of the one or up to {MAX_REPOSITORIES} of the other are answered"
    )]
    Count { images: usize, repositories: usize },
    #[error("{path} cannot be read: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("{path} is larger than {MAX_CREDENTIALS} bytes")]
    FileTooLarge { path: PathBuf },
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl Arguments {
    /// # Errors
    /// [`SetupError`]: the question is none that can be answered.
    pub fn question(&self) -> Result<Question, SetupError> {
        let question: Question = serde_json::from_str(&self.question)
            .map_err(|error| SetupError::Question(printable::line(&error.to_string(), 200)))?;
        match (question.images.len(), question.repositories.len()) {
            (1..=MAX_IMAGES, 0) | (0, 1..=MAX_REPOSITORIES) => Ok(question),
            (images, repositories) => Err(SetupError::Count { images, repositories }),
        }
    }

    /// # Errors
    /// [`SetupError`]: intake's address or authorities cannot be used.
    pub fn intake(&self, question: &Question) -> Result<Intake, SetupError> {
        let authorities = read(&self.intake_ca)?;
        Ok(Intake::new(&question.intake, &authorities, &self.token_file)?)
    }

    /// The registry's side. What is wrong with it is a failure of the images, to be reported like any other.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`]: the credentials or the registry's authorities cannot be used.
    pub async fn connection(&self, question: &Question) -> Result<Connection, RegistryError> {
        let invalid = |error: SetupError| RegistryError::CredentialsInvalid(error.to_string());
        let credentials = match &self.credentials {
            Some(path) => Credentials::parse(&read(path).map_err(invalid)?)?,
            None => Credentials::none(),
        };
        let credentials =
            match (&self.credential_provider_config, &self.credential_provider_bin_dir, question.example()) {
                (Some(config), Some(directory), Some(image)) => {
                    let providers = Providers::parse(&read(config).map_err(invalid)?, directory.clone())?;
                    credentials.with_providers(&providers, &image).await?
                }
                _ => credentials,
            };
        let trust = match &self.registry_ca {
            Some(path) => Trust::system().and_pem(&read(path).map_err(invalid)?)?,
            None => Trust::system(),
        };
        Connection::new(Options {
            access: question.registry.clone(),
            mirrors: question.mirrors.iter().take(MAX_MIRRORS).cloned().collect(),
            credentials,
            trust,
            pace: Pace::default(),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    let bytes = std::fs::read(path).map_err(|error| SetupError::File { path: path.to_owned(), error })?;
    if bytes.len() > MAX_CREDENTIALS {
        return Err(SetupError::FileTooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
