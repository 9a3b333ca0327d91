// Package registry asks a container registry whether it has an image by its digest.
//
// It speaks the OCI distribution protocol, signs in as the registry demands (a bearer token
// for the one repository, read only), and against Azure's registries with a token of Entra
// ID if it is given one. It reads no image.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxToken bounds an answer with a token, in bytes.
const maxToken = 64 << 10

// manifests are the kinds of manifest that an image may have.
const manifests = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

// Registry is one registry. Safe for concurrent use.
type Registry struct {
	Host   string       // where images without a registry in their name are, HOST[:PORT]
	Client *http.Client // nil: the usual one
	// Token is of Entra ID, for Azure's registries; nil: anonymously.
	Token func(ctx context.Context) (string, error)
}

var refShape = regexp.MustCompile(`^(?:([a-z0-9.-]+\.[a-z0-9.-]+(?::[0-9]+)?|localhost(?::[0-9]+)?)/)?([a-z0-9._/-]+)@(sha256:[0-9a-f]{64})$`)

// Has reports whether the image is there. An error means that this is not known.
func (r *Registry) Has(ctx context.Context, ref string) (bool, error) {
	m := refShape.FindStringSubmatch(ref)
	if m == nil {
		return false, fmt.Errorf("image %q is not repository@sha256:…", ref)
	}
	host, repository, digest := m[1], m[2], m[3]
	if host == "" {
		host = r.Host
	}
	if host == "" {
		return false, errors.New("no registry is configured")
	}
	address := "https://" + host + "/v2/" + repository + "/manifests/" + digest
	status, challenge, err := r.head(ctx, address, "")
	if err != nil {
		return false, err
	}
	if status == http.StatusUnauthorized {
		token, err := r.signIn(ctx, host, challenge)
		if err != nil {
			return false, fmt.Errorf("sign in to %s: %w", host, err)
		}
		if status, _, err = r.head(ctx, address, token); err != nil {
			return false, err
		}
	}
	switch status {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("%s answers %d for %s", host, status, repository)
}

func (r *Registry) head(ctx context.Context, address, token string) (status int, challenge string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Accept", manifests)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := r.client().Do(request)
	if err != nil {
		return 0, "", err
	}
	return response.StatusCode, response.Header.Get("WWW-Authenticate"), response.Body.Close()
}

func (r *Registry) client() *http.Client {
	if r.Client == nil {
		return http.DefaultClient
	}
	return r.Client
}

var parameter = regexp.MustCompile(`(\w+)="([^"]*)"`)

// signIn gets a token as the challenge says.
func (r *Registry) signIn(ctx context.Context, host, challenge string) (string, error) {
	if !strings.HasPrefix(challenge, "Bearer ") {
		return "", fmt.Errorf("it wants %q, which is not known here", challenge)
	}
	want := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(challenge, -1) {
		want[m[1]] = m[2]
	}
	realm, err := url.Parse(want["realm"])
	if err != nil || realm.Scheme != "https" {
		return "", fmt.Errorf("it sends us to %q for a token", want["realm"])
	}
	if r.Token == nil {
		realm.RawQuery = url.Values{"service": {want["service"]}, "scope": {want["scope"]}}.Encode()
		return r.token(ctx, http.MethodGet, realm.String(), nil, "token", "access_token")
	}
	if realm.Host != host {
		return "", fmt.Errorf("it sends us to %q, where our token does not go", realm.Host)
	}
	entra, err := r.Token(ctx)
	if err != nil {
		return "", err
	}
	refresh, err := r.token(ctx, http.MethodPost, "https://"+host+"/oauth2/exchange",
		url.Values{"grant_type": {"access_token"}, "service": {want["service"]}, "access_token": {entra}}, "refresh_token")
	if err != nil {
		return "", err
	}
	return r.token(ctx, http.MethodPost, realm.String(),
		url.Values{"grant_type": {"refresh_token"}, "service": {want["service"]}, "scope": {want["scope"]}, "refresh_token": {refresh}}, "access_token")
}

// token makes one request for a token and picks the first of the fields that is there.
func (r *Registry) token(ctx context.Context, method, address string, form url.Values, fields ...string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := r.client().Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %d", request.URL.Path, response.StatusCode)
	}
	answer := map[string]any{}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxToken)).Decode(&answer); err != nil {
		return "", fmt.Errorf("%s: %w", request.URL.Path, err)
	}
	for _, f := range fields {
		if token, ok := answer[f].(string); ok && token != "" {
			return token, nil
		}
	}
	return "", fmt.Errorf("%s answers without a token", request.URL.Path)
}
