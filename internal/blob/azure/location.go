package azure

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"lifeboat/internal/blob"
)

// Location says where a store is: azblob://ACCOUNT/CONTAINER[/PREFIX].
type Location struct {
	Account   string
	Container string
	Prefix    string // of every name, without a '/' at its end; may be empty
}

// Naming rules: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
var (
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])+$`)
)

// ParseURL reads azblob://ACCOUNT/CONTAINER[/PREFIX] and tells all that is wrong with it.
// Its errors never show a query, which may be a secret.
func ParseURL(s string) (Location, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "azblob" {
		return Location{}, errors.New("store URL: want azblob://ACCOUNT/CONTAINER[/PREFIX]")
	}
	container, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	l := Location{Account: u.Host, Container: container, Prefix: strings.TrimSuffix(prefix, "/")}
	err = l.validate()
	if u.RawQuery != "" || u.User != nil || u.Fragment != "" || u.ForceQuery {
		err = errors.Join(err, errors.New("nothing but account, container and prefix belongs in it: give a SAS or key by environment or file"))
	}
	if err != nil {
		return Location{}, fmt.Errorf("store URL azblob://%s%s: %w", u.Host, u.Path, err)
	}
	return l, nil
}

func (l Location) validate() error {
	var errs []error
	if !accountName.MatchString(l.Account) {
		errs = append(errs, fmt.Errorf("account %q: want 3 to 24 of a-z and 0-9", l.Account))
	}
	if n := len(l.Container); n < 3 || n > 63 || !containerName.MatchString(l.Container) {
		errs = append(errs, fmt.Errorf("container %q: want 3 to 63 of a-z, 0-9 and single '-' between them", l.Container))
	}
	if l.Prefix != "" {
		if err := blob.CheckName(l.Prefix); err != nil {
			errs = append(errs, fmt.Errorf("prefix: %w", err))
		}
	}
	return errors.Join(errs...)
}

// String is the URL.
func (l Location) String() string {
	s := "azblob://" + l.Account + "/" + l.Container
	if l.Prefix != "" {
		s += "/" + l.Prefix
	}
	return s
}
