package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"lifeboat/failover/incident"
)

// Security is how a mail server is spoken to.
type Security string

// The ways. There is no opportunistic one: it would fall back to clear text in silence.
const (
	StartTLS Security = "starttls" // port 587; the server has to offer it
	TLS      Security = "tls"      // port 465
	Clear    Security = "none"     // to a relay on this machine only
)

// attempt is how long one conversation with a mail server may take; RFC 5321 allows minutes,
// but a second attempt is worth more than a long first one.
const attempt = 8 * time.Second

// SMTPConfig is a mail server.
type SMTPConfig struct {
	Name     string // of the channel
	Host     string
	Port     int // 0 = 587 or 465
	Security Security
	User     string // "" = no authentication
	Password Secret
	From     string
	// To, when set, makes it a channel for one list (of customers, say) instead of people.
	To string
	// CA verifies the server instead of the system's authorities; PEM.
	CA []byte
	// Wait before the second attempt; it doubles each time. 0 = 1 s.
	Wait time.Duration
}

// SMTP sends mail, to each person on their own: nobody sees the others' addresses, and each
// delivery is known by itself.
type SMTP struct {
	cfg   SMTPConfig
	roots *x509.CertPool
}

// NewSMTP checks the configuration, with all its problems.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	s := &SMTP{cfg: cfg}
	var problems []error
	if cfg.Host == "" || !strings.Contains(cfg.From, "@") {
		problems = append(problems, errors.New("a mail channel needs a host, and an address to send from"))
	}
	switch cfg.Security {
	case StartTLS, TLS:
	case Clear:
		if !loopback(cfg.Host) {
			problems = append(problems, fmt.Errorf("%s is not this machine: mail to it needs starttls or tls", cfg.Host))
		}
	default:
		problems = append(problems, fmt.Errorf("security %q is not one of starttls, tls, none", cfg.Security))
	}
	if len(cfg.CA) > 0 {
		s.roots = x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM(cfg.CA) {
			problems = append(problems, errors.New("the mail server's CA holds no certificate"))
		}
	}
	if s.cfg.Wait == 0 {
		s.cfg.Wait = time.Second
	}
	if s.cfg.Name == "" {
		s.cfg.Name = "email"
	}
	return s, errors.Join(problems...)
}

// Name implements Channel.
func (s *SMTP) Name() string { return s.cfg.Name }

// Reaches implements Channel.
func (s *SMTP) Reaches(p incident.Person) bool { return s.cfg.To == "" && p.Email != "" }

// Send implements Channel.
func (s *SMTP) Send(ctx context.Context, p incident.Person, t Text) (int, error) {
	message, err := s.message(p, t)
	if err != nil {
		return 0, err
	}
	wait := s.cfg.Wait
	for n := 1; ; n++ {
		err := s.once(ctx, message)
		if err == nil {
			return n, nil
		}
		if permanent(err) || ctx.Err() != nil {
			return n, fmt.Errorf("mail server %s: %w", s.cfg.Host, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return n, fmt.Errorf("mail server %s: gave up: %s", s.cfg.Host, err.Error())
		case <-timer.C:
		}
		wait *= 2
	}
}

func (s *SMTP) message(p incident.Person, t Text) (*mail.Msg, error) {
	to := p.Email
	if s.cfg.To != "" {
		to = s.cfg.To
	}
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := m.From(s.cfg.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := m.To(to); err != nil {
		return nil, fmt.Errorf("recipient %s: %w", p.ID, err)
	}
	m.Subject(t.Subject)
	m.SetDate()
	_, domain, _ := strings.Cut(s.cfg.From, "@")
	m.SetMessageIDWithValue(rand.Text() + "@" + domain) // the library's would name this machine
	m.SetImportance(mail.ImportanceHigh)
	m.SetBodyString(mail.TypeTextPlain, t.Body)
	return m, nil
}

func (s *SMTP) once(ctx context.Context, m *mail.Msg) error {
	client, err := mail.NewClient(s.cfg.Host, s.options()...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return client.DialAndSendWithContext(ctx, m)
}

func (s *SMTP) options() []mail.Option {
	opts := []mail.Option{mail.WithTimeout(attempt),
		mail.WithTLSConfig(&tls.Config{ServerName: s.cfg.Host, RootCAs: s.roots, MinVersion: tls.VersionTLS12})}
	port := s.cfg.Port
	switch s.cfg.Security {
	case TLS:
		opts = append(opts, mail.WithSSL())
		if port == 0 {
			port = mail.DefaultPortSSL
		}
	case StartTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
		if port == 0 {
			port = mail.DefaultPortTLS
		}
	case Clear:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
		if port == 0 {
			port = mail.DefaultPort
		}
	}
	if s.cfg.User != "" {
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.cfg.User), mail.WithPassword(string(s.cfg.Password)))
	}
	return append(opts, mail.WithPort(port))
}

// permanent tells whether another attempt is no use: the server has said no, or it is not
// the one that its certificate should name.
func permanent(err error) bool {
	var sending *mail.SendError
	if errors.As(err, &sending) {
		return !sending.IsTemp() && sending.ErrorCode() >= 500
	}
	var answer *textproto.Error // of the greeting, STARTTLS or AUTH
	if errors.As(err, &answer) {
		return answer.Code >= 500
	}
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
