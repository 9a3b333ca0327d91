package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/internal/agent"
)

func (a *app) auditCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Have the agent compare the database with its log, table by table, now",
		Long: `Ask the running agent to scan the database and to compare every table's state hash with what
snapshot and log demand, beside its own schedule. Only the agent can: a scan has to line up with a
transaction, and the agent is who numbers them. Where they differ it takes a new snapshot at once. What
was found is marked in the mirror's store, for 'lifeboat readiness' and the status page.`,
		Example: "  lifeboat audit\n  lifeboat audit --agent http://agent:8080",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.settings(0)
			if err != nil {
				return err
			}
			if at == "" {
				at = "http://" + file.Agent.Listen
			}
			r, err := askAudit(cmd.Context(), at)
			if err != nil {
				return err
			}
			if err := a.report(r, func(w io.Writer) {
				line(w, "compared at\tseq %d", uint64(r.Seq))
				line(w, "tables\t%d", r.Tables)
				for _, t := range r.Differ {
					line(w, "DIFFERENT\t%s", t)
				}
			}); err != nil {
				return err
			}
			if !r.Match {
				return fmt.Errorf("%w: %s changed without capture: points since the snapshot before may miss a change", errDamage, strings.Join(r.Differ, ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&at, "agent", "", "the agent's HTTP interface (default: agent.listen of the configuration)")
	return cmd
}

// askAudit waits as long as the audit takes.
func askAudit(ctx context.Context, agentURL string) (r agent.AuditAnswer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(agentURL, "/")+"/v1/audit", nil)
	if err != nil {
		return r, fmt.Errorf("%w: --agent %q: %w", errUsage, agentURL, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, fmt.Errorf("no agent answers at %s, and only a running one can audit: %w", agentURL, err)
	}
	defer response.Body.Close()
	const most = 1 << 20 // the answer names tables, no more
	if err := json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&r); err != nil {
		return r, fmt.Errorf("the answer of %s (%s) is not an agent's: %w", agentURL, response.Status, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("the agent could not audit: %w", errors.New(r.Error))
	}
	return r, nil
}
