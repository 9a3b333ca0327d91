package azure

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Secret is a key or a SAS. It prints, logs and marshals as a placeholder.
type Secret string

const redacted = "(secret)"

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Clouds that Config.Cloud accepts; "" is Public.
const (
	Public     = "public"
	Government = "usgovernment"
	China      = "china"
)

// Config says which container to open and how.
type Config struct {
	Location

	// Endpoint is the account's blob service, such as http://127.0.0.1:10000/ACCOUNT for
	// an emulator; "" = https://ACCOUNT.blob.SUFFIX of the Cloud.
	Endpoint string
	// Cloud is Public, Government or China: it sets the endpoint and who issues tokens.
	Cloud string

	// At most one of these three; with none of them, Entra ID by azidentity's default
	// chain (environment, workload identity, managed identity, az login).
	Token azcore.TokenCredential
	Key   Secret // the account's shared key, base64
	SAS   Secret // a query string, with or without '?'

	// Tries are made for each request before its error is returned; 0 = 4.
	Tries int
	// Transport sends requests; nil = one made for many parallel requests to one host.
	Transport http.RoundTripper
}

// Time limits of one try of one request.
const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second // from the end of the request to the answer's headers
	slowestUpload = 64 << 10         // bytes a second below which an upload counts as hung
)

type clouds struct {
	suffix string
	config cloud.Configuration
}

func (c Config) cloud() (clouds, error) {
	switch c.Cloud {
	case "", Public:
		return clouds{"core.windows.net", cloud.AzurePublic}, nil
	case Government:
		return clouds{"core.usgovcloudapi.net", cloud.AzureGovernment}, nil
	case China:
		return clouds{"core.chinacloudapi.cn", cloud.AzureChina}, nil
	}
	return clouds{}, fmt.Errorf("cloud %q: want %s, %s or %s", c.Cloud, Public, Government, China)
}

// endpoint returns the URL of the container.
func (c Config) endpoint() (*url.URL, error) {
	if c.Endpoint == "" {
		cl, err := c.cloud()
		if err != nil {
			return nil, err
		}
		return &url.URL{Scheme: "https", Host: c.Account + ".blob." + cl.suffix, Path: "/" + c.Container}, nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("endpoint: want https://HOST[/ACCOUNT]")
	}
	if u.RawQuery != "" || u.User != nil {
		return nil, errors.New("endpoint: no user and no query; give a SAS or key by environment or file")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("endpoint http://%s: data and credentials would travel in clear text; use https", u.Host)
	}
	return u.JoinPath(c.Container), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) validate() error {
	errs := []error{c.Location.validate()}
	if _, err := c.endpoint(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.cloud(); err != nil && c.Endpoint != "" {
		errs = append(errs, err)
	}
	given := 0
	for _, is := range []bool{c.Token != nil, c.Key != "", c.SAS != ""} {
		if is {
			given++
		}
	}
	if given > 1 {
		errs = append(errs, errors.New("credentials: give one of token, key and SAS, or none for Entra ID"))
	}
	return errors.Join(errs...)
}

// client opens the container with the credential that was given.
func (c Config) client() (*container.Client, error) {
	u, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	cl, err := c.cloud()
	if err != nil {
		return nil, err
	}
	core := policy.ClientOptions{
		Cloud:     cl.config,
		Retry:     c.retryOptions(),
		Transport: &http.Client{Transport: c.transport()},
		Telemetry: policy.TelemetryOptions{ApplicationID: "lifeboat"},
	}
	options := &container.ClientOptions{ClientOptions: core}
	switch {
	case c.Key != "":
		key, err := container.NewSharedKeyCredential(c.Account, string(c.Key))
		if err != nil {
			return nil, errors.New("account key: not base64")
		}
		return container.NewClientWithSharedKeyCredential(u.String(), key, options)
	case c.SAS != "":
		return container.NewClientWithNoCredential(u.String()+"?"+strings.TrimPrefix(string(c.SAS), "?"), options)
	}
	token := c.Token
	if token == nil {
		core.Transport, core.Retry = nil, policy.RetryOptions{}
		token, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: core})
		if err != nil {
			return nil, fmt.Errorf("entra id: %w", err)
		}
	}
	return container.NewClient(u.String(), token, options)
}

func (c Config) retryOptions() policy.RetryOptions {
	tries := c.Tries
	if tries <= 0 {
		tries = 4
	}
	retries := int32(tries - 1)
	if retries == 0 {
		retries = -1 // azcore's word for none
	}
	return policy.RetryOptions{MaxRetries: retries, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 10 * time.Second}
}

func (c Config) transport() http.RoundTripper {
	if c.Transport != nil {
		return c.Transport
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   128, // the default of 2 would dial anew for most requests
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // objects are compressed already
	}
}
