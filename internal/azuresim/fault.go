package azuresim

import (
	"fmt"
	"slices"

	"lifeboat/infra/azure"
)

// Verb is what is asked of the cloud.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Read   Verb = "read"
	Update Verb = "update"
	Delete Verb = "delete"
)

// Effect is how a call goes wrong.
type Effect string

// The effects.
const (
	// RegionDown refuses the call: the region, or the region of the resource group,
	// answers nothing.
	RegionDown Effect = "region down"
	// NoQuota refuses the call.
	NoQuota Effect = "no quota"
	// Throttled refuses the call, after all of the provider's own retries.
	Throttled Effect = "throttled"
	// TimedOut does the work and reports a time-out. The provider could read the
	// resource back, so the engine keeps it, marked as not finished.
	TimedOut Effect = "done but timed out"
	// Lost does the work and reports a broken connection; the engine learns nothing.
	Lost Effect = "done but lost"
)

// Fault makes calls that match go wrong. Empty fields match anything.
type Fault struct {
	Region azure.Region
	Type   string // the kind's token
	Verb   Verb
	Effect Effect
	Skip   int // let so many matching calls through first
	Times  int // then fail so many; 0 is all
}

// Inject adds a fault; Heal removes all.
func (c *Cloud) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	c.faults = append(c.faults, &f)
}

// Heal removes every fault.
func (c *Cloud) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// fault returns the effect that a call is to suffer, or "".
func (c *Cloud) fault(v Verb, kind string, regions ...azure.Region) Effect {
	c.calls[v]++
	for _, f := range c.faults {
		if f.Verb != "" && f.Verb != v || f.Type != "" && f.Type != kind || f.Region != "" && !slices.Contains(regions, f.Region) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times == 0 {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return f.Effect
	}
	return ""
}

// CloudError is an answer of the cloud that is not success.
type CloudError struct {
	Code    string // Azure's, e.g. "ScopeLocked"
	Status  int    // of HTTP
	Message string
}

// Error reads like the resource manager's.
func (e *CloudError) Error() string {
	return fmt.Sprintf("Status=%d Code=%q Message=%q", e.Status, e.Code, e.Message)
}

func refuse(status int, code, format string, args ...any) *CloudError {
	return &CloudError{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// error is the answer that an effect gives.
func (e Effect) error(r azure.Region) error {
	switch e {
	case RegionDown:
		return refuse(503, "ServiceUnavailable", "region %s does not answer", r)
	case NoQuota:
		return refuse(409, "QuotaExceeded", "the subscription's quota in %s is used up", r)
	case Throttled:
		return refuse(429, "TooManyRequests", "retries exhausted; try again later")
	case TimedOut:
		return refuse(504, "GatewayTimeout", "the operation was not finished when the client gave up")
	case Lost:
		return refuse(0, "ConnectionReset", "read: connection reset by peer")
	default:
		return nil
	}
}
