package azure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"lifeboat/internal/blob"
)

// errTaken says, before anything was sent, what BlobAlreadyExists says afterwards.
var errTaken = errors.New("the name is taken")

// isTaken tells whether a write was refused because the name has an object. A WORM
// policy refuses with its own code what If-None-Match would have refused.
func isTaken(err error) bool {
	return errors.Is(err, errTaken) || bloberror.HasCode(err,
		bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.BlobImmutableDueToPolicy, bloberror.InvalidBlobType)
}

// skewLimit is how far clocks may differ before a refused signature is put down to it;
// the service accepts 15 minutes.
const skewLimit = 5 * time.Minute

// advice is what to do about an error code, and whether trying again is pointless.
type advice struct {
	permanent bool
	hint      string
}

// hintFor knows the codes that a person must act on. The rest are told as they are.
func hintFor(code bloberror.Code) advice {
	switch code {
	case bloberror.ContainerNotFound:
		return advice{true, "the container does not exist: create it with the infrastructure code, or correct the store's URL"}
	case bloberror.ContainerBeingDeleted:
		return advice{false, "the container is being deleted; its name is free again after some minutes"}
	case bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions:
		return advice{true, "give this identity the role Storage Blob Data Contributor on the container, or the SAS the rights rcwdl; a new role takes up to 10 minutes"}
	case bloberror.AuthorizationFailure:
		return advice{true, "the account's firewall or network rules refuse this address: add it, or use the private endpoint; or the credential may not do this"}
	case bloberror.AuthorizationSourceIPMismatch, bloberror.AuthorizationProtocolMismatch,
		bloberror.AuthorizationServiceMismatch, bloberror.AuthorizationResourceTypeMismatch:
		return advice{true, "the SAS is not valid for this address, protocol, service or kind of resource: issue another"}
	case "KeyBasedAuthenticationNotPermitted":
		return advice{true, "the account takes no keys: leave the key away, and Entra ID is used"}
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		return advice{true, "the key, SAS or token is wrong or expired, or belongs to another account or tenant"}
	case bloberror.AccountIsDisabled, bloberror.ContainerDisabled:
		return advice{true, "enable it again in the portal, or settle the subscription's bill"}
	case bloberror.BlobImmutableDueToPolicy, bloberror.ImmutabilityPolicyDeleteOnLockedPolicy:
		return advice{true, "an immutability policy or a legal hold protects it: it can be removed when that has ended"}
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return advice{true, "a lifecycle rule moved it to the archive tier: rehydrate it, and remove the rule from this container"}
	case bloberror.InvalidBlobType:
		return advice{true, "a blob of another type has this name: it was not written by Lifeboat; move it away"}
	case bloberror.InvalidHeaderValue, bloberror.InvalidURI, bloberror.InvalidResourceName, "FeatureVersionMismatch":
		return advice{true, "the service does not understand this request: is the endpoint a blob service, and not too old a one?"}
	case bloberror.ServerBusy:
		return advice{false, "the service throttles: fewer parallel requests, or several accounts"}
	}
	return advice{}
}

// explain turns an error of the SDK into one that says what failed on what and what to
// do, and that can be tested for. It keeps signatures out of the text.
func (s *Store) explain(verb, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, blob.ErrExists), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s %s: %w", verb, name, scrub(err))
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return s.explainAnswer(verb, name, answer)
	}
	err = fmt.Errorf("%s %s: %w", verb, name, scrub(err))
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var login *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("%w (is the account's name right, and does its private DNS zone reach this network?)", err)
	case errors.As(err, &authority):
		return blob.Permanent(err, "something between here and the account presents its own certificate")
	case errors.As(err, &login):
		return fmt.Errorf("%w (Entra ID gave no token: check the workload identity or run az login)", err)
	}
	return err
}

// answerError is a refusal by the service, in one line.
type answerError struct {
	text   string
	answer *azcore.ResponseError
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return e.answer }

func (s *Store) explainAnswer(verb, name string, answer *azcore.ResponseError) error {
	code := bloberror.Code(answer.ErrorCode)
	if code == bloberror.BlobNotFound {
		return fmt.Errorf("%s %s: %w", verb, name, blob.ErrNotExist)
	}
	text := fmt.Sprintf("%s %s in %s: HTTP %d %s", verb, name, s, answer.StatusCode, code)
	var header http.Header
	if answer.RawResponse != nil {
		header = answer.RawResponse.Header
	}
	if id := header.Get("x-ms-request-id"); id != "" {
		text += ", request " + id
	}
	err := error(&answerError{text: text, answer: answer})
	a := hintFor(code)
	if answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized {
		a.permanent = true
		if skew := clockSkew(header); skew != "" {
			a.hint = skew
		}
	}
	if a.permanent {
		return blob.Permanent(err, a.hint)
	}
	if a.hint != "" {
		return fmt.Errorf("%w (%s)", err, a.hint)
	}
	return err
}

// clockSkew compares this machine's clock with the service's answer.
func clockSkew(header http.Header) string {
	theirs, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ""
	}
	if d := time.Since(theirs).Round(time.Second); d.Abs() > skewLimit {
		return fmt.Sprintf("this machine's clock is %s off the service's: set it right", d)
	}
	return ""
}

// scrub removes the query, which may be a SAS, from the URL that a transport error shows.
func scrub(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	clean := *u
	if at, perr := url.Parse(u.URL); perr == nil {
		at.RawQuery, at.User = "", nil
		clean.URL = at.String()
	} else {
		clean.URL = "(address withheld)"
	}
	return &clean
}
