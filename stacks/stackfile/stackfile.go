// Package stackfile reads the settings out of a stack's configuration file
// (Pulumi.<stack>.yaml), for what runs beside the engine: the policy check, the plan of
// a failover, the diagram.
package stackfile

import (
	"encoding/json"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"lifeboat/stacks/settings"
)

// maxSize bounds a configuration file, bytes; ours are some 5,000.
const maxSize = 1 << 20

// Read returns the checked settings of the file.
func Read(path string) (*settings.Settings, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read stack configuration: %w", err)
	}
	s, err := Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Parse returns the checked settings of a file's body.
func Parse(body []byte) (*settings.Settings, error) {
	if len(body) > maxSize {
		return nil, fmt.Errorf("%w: %d bytes is no stack configuration", settings.ErrSettings, len(body))
	}
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", settings.ErrSettings, err)
	}
	value, ok := file.Config["lifeboat:settings"]
	if !ok {
		return nil, fmt.Errorf("%w: key config.lifeboat:settings is missing", settings.ErrSettings)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", settings.ErrSettings, err)
	}
	return settings.Parse(string(text))
}
