package signers_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/signers"
)

func id(person string, roles ...string) signers.Identity {
	return signers.Identity{Person: person, Roles: roles}
}

func TestQuorum(t *testing.T) {
	t.Parallel()
	normal := signers.Quorum{{"ceo", "deputy"}, {"cto", "ld"}}
	tests := []struct {
		name    string
		quorum  signers.Quorum
		voters  []signers.Identity
		met     bool
		missing string
	}{
		{"nobody", normal, nil, false, "[ceo or deputy cto or ld]"},
		{"one of two", normal, []signers.Identity{id("ada", "ceo")}, false, "[cto or ld]"},
		{"both", normal, []signers.Identity{id("ada", "ceo"), id("bob", "ld")}, true, "[]"},
		{"deputy stands in", normal, []signers.Identity{id("dee", "deputy"), id("bob", "cto")}, true, "[]"},
		{"one head with both roles", normal, []signers.Identity{id("ada", "ceo", "cto")}, false, "[cto or ld]"},
		{"one head with two keys", normal, []signers.Identity{id("ada", "ceo"), id("ada", "cto")}, false, "[cto or ld]"},
		{"second head frees the first", normal, []signers.Identity{id("ada", "ceo", "cto"), id("bob", "deputy")}, true, "[]"},
		{"wrong role", normal, []signers.Identity{id("ada", "ceo"), id("eve", "dpo")}, false, "[cto or ld]"},
		{"no seats", signers.Quorum{}, []signers.Identity{id("ada", "ceo")}, false, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.quorum.Check(tt.voters)
			require.Equal(t, tt.met, got.Met)
			require.Equal(t, tt.missing, fmt.Sprint(got.Missing))
		})
	}
	require.Equal(t, "(ceo or deputy) + (cto or ld)", normal.String())
	require.NoError(t, normal.Validate())
	require.Error(t, signers.Quorum{}.Validate())
	require.Error(t, signers.Quorum{{}}.Validate())
}

// TestQuorumSeatsAsManyAsCanBe compares with trying every assignment.
func TestQuorumSeatsAsManyAsCanBe(t *testing.T) {
	t.Parallel()
	roles := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID[string])
	rapid.Check(t, func(t *rapid.T) {
		var q signers.Quorum
		for range rapid.IntRange(1, 4).Draw(t, "seats") {
			q = append(q, roles.Draw(t, "seat"))
		}
		var voters []signers.Identity
		for i := range rapid.IntRange(0, 5).Draw(t, "voters") {
			voters = append(voters, id(fmt.Sprint("p", i), roles.Draw(t, "roles")...))
		}
		got := q.Check(voters)
		want := best(q, voters, 0, 0)
		if len(q)-len(got.Missing) != want {
			t.Fatalf("seated %d, possible %d: %v %v", len(q)-len(got.Missing), want, q, voters)
		}
		seen := map[string]bool{}
		for seat, who := range got.Taken {
			if who.Person == "" {
				continue
			}
			if seen[who.Person] || !who.HasAny(q[seat]...) {
				t.Fatalf("seat %d wrongly taken by %v", seat, who)
			}
			seen[who.Person] = true
		}
	})
}

func best(q signers.Quorum, voters []signers.Identity, seat int, used uint) int {
	if seat == len(q) {
		return 0
	}
	most := best(q, voters, seat+1, used)
	for i, v := range voters {
		if used&(1<<i) == 0 && v.HasAny(q[seat]...) {
			most = max(most, 1+best(q, voters, seat+1, used|1<<i))
		}
	}
	return most
}
