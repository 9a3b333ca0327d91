// Package inventory lists what a stack would consist of, without an engine, a provider
// or a cloud (see package record). The golden files, the diagram, the table of costs and
// the policy rules' tests are made from it.
package inventory

import (
	"lifeboat/infra/record"
	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
)

// Of runs the program with the settings and returns its resources, sorted by key.
// secrets are further keys of the project's namespace, taken as encrypted.
func Of(s *settings.Settings, secrets map[string]string) ([]record.Resource, error) {
	text, err := s.JSON()
	if err != nil {
		return nil, err
	}
	stack := &record.Stack{Project: program.Namespace, Name: s.StackName(), Config: map[string]string{program.Namespace + ":" + program.SettingsKey: text}}
	for key, value := range secrets {
		stack.Config[program.Namespace+":"+key] = value
		stack.Secrets = append(stack.Secrets, program.Namespace+":"+key)
	}
	return record.Run(stack, program.Run)
}
