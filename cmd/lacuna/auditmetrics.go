package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/merkle/audit"
)

// auditMeter counts what a command that follows a log does.
type auditMeter struct {
	registry *prometheus.Registry
	size     prometheus.Gauge
	verified prometheus.Counter
	written  prometheus.Counter
	success  prometheus.Gauge
	rounds   *prometheus.CounterVec
	answers  *prometheus.CounterVec
	received prometheus.Counter
}

func newAuditMeter(origin string) *auditMeter {
	labels := prometheus.Labels{"origin": origin}
	m := &auditMeter{
		registry: prometheus.NewRegistry(),
		size: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lacuna_audit_size", ConstLabels: labels,
			Help: "Entries of the log that the newest verified head covers."}),
		verified: prometheus.NewCounter(prometheus.CounterOpts{Name: "lacuna_audit_verified_entries_total", ConstLabels: labels,
			Help: "Entries that were verified since the start."}),
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "lacuna_audit_written_files_total", ConstLabels: labels,
			Help: "Files that a mirror has written since the start."}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lacuna_audit_last_success_timestamp_seconds", ConstLabels: labels,
			Help: "When a round last found everything in order."}),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lacuna_audit_rounds_total", ConstLabels: labels,
			Help: "Rounds by what they found: ok, unreachable, mismatch, fork, older, unshown, failed."}, []string{"result"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lacuna_audit_answers_total", ConstLabels: labels,
			Help: "Answers of the server by status; 0 is none."}, []string{"status"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "lacuna_audit_received_bytes_total", ConstLabels: labels,
			Help: "Bytes of answers, as they came over the wire."}),
	}
	m.registry.MustRegister(m.size, m.verified, m.written, m.success, m.rounds, m.answers, m.received)
	for _, result := range []string{"ok", "unreachable", "mismatch", string(audit.Fork), string(audit.Older), string(audit.Unshown), "failed"} {
		m.rounds.WithLabelValues(result) // a counter that is not there cannot be alarmed about
	}
	return m
}

// answer is told of each answer of the server.
func (m *auditMeter) answer(status int, bytes int64) {
	m.answers.WithLabelValues(strconv.Itoa(status)).Inc()
	m.received.Add(float64(bytes))
}

// round is told of each round.
func (m *auditMeter) round(r audit.Report, err error) {
	if err == nil {
		m.size.Set(float64(r.Head.Size))
		m.verified.Add(float64(r.New))
		m.written.Add(float64(r.Written))
		m.success.SetToCurrentTime()
		m.rounds.WithLabelValues("ok").Inc()
		return
	}
	result := "failed"
	if failure := auditFailure(err); failure != nil {
		result = failure.Kind
	} else if _, away := errors.AsType[*audit.UnreachableError](err); away {
		result = "unreachable"
	}
	m.rounds.WithLabelValues(result).Inc()
}

// serve serves the metrics at --metrics, if that is given, until ctx ends. wait
// returns when it has ended.
func (m *auditMeter) serve(ctx context.Context, c *cli.Context) (wait func() error, err error) {
	addr := c.String("metrics")
	if addr == "" {
		return func() error { return nil }, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--metrics: %w", err), hint: "--metrics 127.0.0.1:9100"}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c.App.ErrWriter, "metrics at http://%s/metrics\n", l.Addr())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	ended := make(chan error, 1)
	go func() { ended <- serveUntil(ctx, l, mux, slog.New(slog.NewTextHandler(c.App.ErrWriter, nil))) }()
	return func() error { return <-ended }, nil
}
