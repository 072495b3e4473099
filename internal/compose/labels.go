package compose

// Labels of docker compose, see its pkg/api/labels.go. The four that readers of
// a project need as well are beside them in containers.go.
const (
	hashLabel        = "com.docker.compose.config-hash"
	volumeLabel      = "com.docker.compose.volume"
	networkLabel     = "com.docker.compose.network"
	workingDirLabel  = "com.docker.compose.project.working_dir"
	configFilesLabel = "com.docker.compose.project.config_files"
	envFileLabel     = "com.docker.compose.project.environment_file"
	imageLabel       = "com.docker.compose.image"
	dependsOnLabel   = "com.docker.compose.depends_on"
	versionLabel     = "com.docker.compose.version"
	replaceLabel     = "com.docker.compose.replace"
)

// Labels of bgctl's own. They are not part of docker compose's config hash.
const (
	stackLabel       = "bgctl.stack"        // the project that bgctl made the container, network or volume for
	embeddedLabel    = "bgctl.embedded"     // … from the embedded file
	filesHashLabel   = "bgctl.files-hash"   // contents that are copied into the container
	contextHashLabel = "bgctl.context-hash" // what an image was built from
	stagingLabel     = "bgctl.staging"      // on a staging network: the service that is replaced
)

// composeVersion is the release whose labels and hashes are reproduced.
const composeVersion = "2.40.3"
