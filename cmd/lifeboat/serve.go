package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/internal/readiness"
	"lifeboat/internal/webui"
)

// historySpan and historySamples are what the page shows of the past.
const (
	historySpan    = 90 * 24 * time.Hour
	historySamples = 90
)

func (a *app) serveCommand() *cobra.Command {
	var listen string
	var hosts []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the read-only status page",
		Long: `Serve the status page: readiness, its history, incidents, what is due. It can only be read, shows
nothing secret, needs no JavaScript and loads nothing from elsewhere. It has no authentication: keep it
on loopback, or put Entra ID or mutual TLS in front of it (docs/incident.md), and name the address under
which it is then reached with --host.`,
		Args: noArgs,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		if listen == "" {
			listen = of.file.Page.Listen
		}
		page, err := webui.New(webui.Config{Source: &pageSource{app: a, office: of}, Hosts: append(hosts, of.file.Page.Hosts...), Clock: a.clock, Log: a.logger()})
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), listen, page)
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on (default: page.listen of committee.yaml, 127.0.0.1:7118)")
	cmd.Flags().StringArrayVar(&hosts, "host", nil, "name under which the page may be reached, besides loopback (may be repeated)")
	return cmd
}

func (a *app) serve(ctx context.Context, listen string, page http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	server := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	if !a.quiet {
		line(a.stderr, "status page at http://%s/", l.Addr())
	}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(end) // what is not read by then, nobody waits for
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil // being told to stop is how this command ends
}

// pageSource looks at the stores for the page.
type pageSource struct {
	app    *app
	office *office
}

// Look implements webui.Source.
func (p *pageSource) Look(ctx context.Context) (webui.View, error) {
	of, now := p.office, p.app.clock()
	r, damage, err := of.record(ctx)
	if err != nil {
		return webui.View{}, err
	}
	proofs, err := of.proofs(ctx, now)
	if err != nil {
		return webui.View{}, err
	}
	v := webui.View{At: now, Company: of.file.Company, Record: r, Findings: damage, Due: of.desk.Policy.Due(r, of.settings, now, proofs...),
		Ledger: incident.YearLedger(now.In(of.settings.Location).Year(), r.Incidents, of.settings, now), Clocks: map[incident.ID][]incident.Clock{}}
	for _, s := range r.Incidents {
		v.Clocks[s.ID] = of.desk.Policy.Clocks(s, of.settings, now)
	}
	if v.History, err = readiness.History(ctx, of.dr, now.Add(-historySpan), now, historySamples); err != nil {
		return v, err
	}
	s, err := p.app.measure(ctx, of)
	if err != nil {
		return v, err
	}
	v.Now = &s
	return v, nil
}

// Entries implements webui.Source.
func (p *pageSource) Entries(ctx context.Context, id incident.ID) ([]incident.Signed, error) {
	_, c, err := p.office.book.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.Entries, nil
}
