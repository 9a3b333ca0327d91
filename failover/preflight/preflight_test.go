package preflight_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/preflight"
)

type cloud struct {
	free  map[string]int64
	sizes []string
	err   error

	principal, client string
}

func (c cloud) Free(context.Context, string) (map[string]int64, error) { return c.free, c.err }
func (c cloud) Sizes(context.Context, string) ([]string, error)        { return c.sizes, c.err }
func (c cloud) Identity(context.Context, string, string) (string, string, error) {
	return c.principal, c.client, c.err
}

type registry map[string]error // absent: not there

func (r registry) Has(_ context.Context, ref string) (bool, error) { err, ok := r[ref]; return ok, err }

type resolver time.Duration

func (r resolver) TTL(context.Context, string) (time.Duration, error) {
	if r < 0 {
		return 0, errors.New("no such host")
	}
	return time.Duration(r), nil
}

func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	away := errors.New("no route to host")
	need := []failover.Quota{{Name: "dds", Need: 12}, {Name: "SQL vCores", Need: 8}}
	standing := preflight.Identity{Group: "rg-dr", Name: "id-agent", Admins: "admins"}
	carried := func(_ context.Context, client string) (string, error) {
		if client != "c-1" {
			return "", errors.New("no restore makes a user: CREATE USER")
		}
		return "in db_datareader", nil
	}
	images := []failover.Image{{Name: "application", Ref: "a@1"}, {Name: "agent", Ref: "b@2"}}
	for _, tt := range []struct {
		name  string
		probe preflight.Probe
		want  preflight.Status
		says  string
	}{
		{"room", preflight.Quotas(cloud{free: map[string]int64{"dds": 12, "SQL vCores": 80}}, "ukwest", need), preflight.Pass, "dds: 12 free, 12 needed"},
		{"no room", preflight.Quotas(cloud{free: map[string]int64{"dds": 11, "SQL vCores": 80}}, "ukwest", need), preflight.Fail, "11 of dds are free, 12 are needed"},
		{"one not told", preflight.Quotas(cloud{free: map[string]int64{"dds": 12}}, "ukwest", need), preflight.Unknown, "SQL vCores"},
		{"one not told, one short", preflight.Quotas(cloud{free: map[string]int64{"SQL vCores": 1}}, "ukwest", need), preflight.Fail, "1 of SQL vCores"},
		{"cloud away", preflight.Quotas(cloud{err: away}, "ukwest", need), preflight.Unknown, "no route"},
		{"no cloud", preflight.Quotas(nil, "ukwest", need), preflight.Unknown, "no cloud"},
		{"sizes", preflight.Sizes(cloud{sizes: []string{"D2", "D4"}}, "ukwest", []string{"D4"}), preflight.Pass, "D4"},
		{"size restricted", preflight.Sizes(cloud{sizes: []string{"D2"}}, "ukwest", []string{"D4"}), preflight.Fail, "D4 cannot be had"},
		{"sizes away", preflight.Sizes(cloud{err: away}, "ukwest", []string{"D4"}), preflight.Unknown, "no route"},
		{"identity", preflight.AgentIdentity(cloud{principal: "p-1"}, standing), preflight.Pass, "az ad group member check --group admins --member-id p-1"},
		{"no identity", preflight.AgentIdentity(cloud{}, standing), preflight.Fail, "no identity id-agent in rg-dr"},
		{"identity not told", preflight.AgentIdentity(cloud{err: away}, standing), preflight.Unknown, "no route"},
		{"identity, no cloud", preflight.AgentIdentity(nil, standing), preflight.Unknown, "no cloud"},
		{"identity of each failover", preflight.AgentIdentity(nil, preflight.Identity{Admins: "admins"}), preflight.Pass, "member of admins"},
		{"login", preflight.ApplicationLogin(cloud{principal: "p-1", client: "c-1"}, standing, carried), preflight.Pass, "in db_datareader"},
		{"no login", preflight.ApplicationLogin(cloud{principal: "p-1", client: "c-2"}, standing, carried), preflight.Fail, "CREATE USER"},
		{"login, no identity", preflight.ApplicationLogin(cloud{}, standing, carried), preflight.Fail, "pulumi up"},
		{"login not told", preflight.ApplicationLogin(cloud{err: away}, standing, carried), preflight.Unknown, "no route"},
		{"login, no cloud", preflight.ApplicationLogin(nil, standing, carried), preflight.Unknown, "no cloud"},
		{"login of each failover", preflight.ApplicationLogin(nil, preflight.Identity{}, carried), preflight.Pass, "somebody makes a user"},
		{"images", preflight.Images(registry{"a@1": nil, "b@2": nil}, images), preflight.Pass, "2 are there"},
		{"image gone", preflight.Images(registry{"a@1": nil}, images), preflight.Fail, "does not have b@2 (agent)"},
		{"registry away", preflight.Images(registry{"a@1": away, "b@2": nil}, images), preflight.Unknown, "no route"},
		{"one away, one gone", preflight.Images(registry{"a@1": away}, images), preflight.Fail, "b@2"},
		{"TTL", preflight.TTL(resolver(30*time.Second), "app.example", time.Minute), preflight.Pass, "30s"},
		{"TTL too long", preflight.TTL(resolver(time.Hour), "app.example", time.Minute), preflight.Fail, "1h0m0s, longer than 1m0s"},
		{"no such name", preflight.TTL(resolver(-1), "app.example", time.Minute), preflight.Unknown, "no such host"},
		{"no name", preflight.TTL(resolver(1), "", time.Minute), preflight.Unknown, "edge_host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := preflight.Run(t.Context(), preflight.Config{}, []preflight.Probe{tt.probe})
			require.Equal(t, tt.want, r.Checks[0].Status, r.Checks[0].Found)
			require.Contains(t, r.Checks[0].Found, tt.says)
			require.Equal(t, tt.want == preflight.Pass, r.Ready)
			require.Equal(t, tt.want != preflight.Pass, r.Checks[0].Fix != "", "every bad answer has a fix")
			switch tt.want {
			case preflight.Pass:
				require.NoError(t, r.Err())
			case preflight.Fail:
				require.ErrorIs(t, r.Err(), preflight.ErrNotReady)
			default:
				require.ErrorIs(t, r.Err(), preflight.ErrUnknown)
			}
		})
	}
	require.ErrorIs(t, preflight.Run(t.Context(), preflight.Config{}, nil).Err(), preflight.ErrUnknown)
}

func TestAProbeThatHangsIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := preflight.Probe{Name: "hangs", Fix: "look at the network", Ask: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
		fine := preflight.Probe{Name: "fine", Ask: func(context.Context) (string, error) { return "well", nil }}
		r := preflight.Run(t.Context(), preflight.Config{Patience: time.Minute}, []preflight.Probe{hangs, fine})
		require.Equal(t, preflight.Unknown, r.Checks[0].Status)
		require.InDelta(t, 60, r.Checks[0].Seconds, 0)
		require.Equal(t, preflight.Pass, r.Checks[1].Status)
	})
}
