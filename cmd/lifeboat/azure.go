package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/config"
)

// openAzure opens a container. Secrets come from files that the configuration names or
// from variables, never from a URL; without any, Entra ID says who we are.
func openAzure(_ context.Context, s stores, r config.Region) (blob.Store, error) {
	return s.azure(r)
}

func makeAzure(ctx context.Context, s stores, r config.Region) (blob.Store, error) {
	store, err := s.azure(r)
	if err != nil {
		return nil, err
	}
	return store, store.MakeContainer(ctx)
}

func (s stores) azure(r config.Region) (*azure.Store, error) {
	location, err := azure.ParseURL(r.Store.Reveal())
	if err != nil {
		return nil, err
	}
	cfg := azure.Config{Location: location, Endpoint: r.Endpoint, Cloud: r.Cloud}
	variable := func(name string) string {
		value, _ := s.lookup("LIFEBOAT_AZURE_" + name + "_" + strings.ToUpper(location.Account))
		return value
	}
	if endpoint := variable("ENDPOINT"); endpoint != "" {
		cfg.Endpoint = endpoint
	}
	key, keyErr := secretFrom(r.KeyFile)
	sas, sasErr := secretFrom(r.SASFile)
	if err := errors.Join(keyErr, sasErr); err != nil {
		return nil, err
	}
	if key == "" && sas == "" { // a file that is named goes before what happens to be set
		key, sas = variable("KEY"), variable("SAS")
	}
	cfg.Key, cfg.SAS = azure.Secret(key), azure.Secret(sas)
	return azure.Open(cfg)
}

// secretFrom reads a file with one secret in it; "" for no file.
func secretFrom(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("secret: %s is empty", path)
	}
	return secret, nil
}
