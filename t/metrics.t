# SetHandler ssl-metrics: Prometheus' text format 0.0.4, checked by a strict parser; each handshake counted once, under what
# became of it; counters survive restarts and killed children; GET and HEAD only.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use ModSSL::Httpd qw(is_stock ours_only wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_dir);
ours_only('the stock module has no such handler');

my $tls = <<'CONF';
SSLSessionCache "shmcb:@root@/run/cache(100000)"
SSLProtocol -all +TLSv1.2 +TLSv1.3
<Location /metrics>
    SetHandler ssl-metrics
</Location>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile    @pki@/ecdsa.crt
    SSLCertificateKeyFile @pki@/ecdsa.key
    SSLCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256
    SSLCACertificateFile  @pki@/ca.crt
    <Location /private>
        SSLVerifyClient require
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName stateful.test
    SSLEngine on
    SSLSessionTickets off
    SSLCertificateFile    @pki@/ecdsa.crt
    SSLCertificateKeyFile @pki@/ecdsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:verify@>
    SSLEngine on
    SSLCertificateFile    @pki@/ecdsa.crt
    SSLCertificateKeyFile @pki@/ecdsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient require
</VirtualHost>
CONF

my $h = ModSSL::Httpd->new(listen => ['https', 'verify', 'plain'], modules => ['reqtimeout'],
    config => "RequestReadTimeout handshake=4\n$tls");
$h->start or die $h->why;

sub ask {
    my ($method, $path) = @_;
    my $s = raw_connect($h->port('plain')) or return;
    return http_request($s, method => $method, path => $path || '/metrics', host => 'localhost', close => 1);
}

# --- the format ---------------------------------------------------------------------------------------

# Returns (samples, problem): "name{labels}" => value.  As in Prometheus' documentation of the format: HELP and TYPE once, before
# all samples of a metric, which stand together; each set of labels once; a line feed at the end.
sub parse {
    my ($text) = @_;
    my (%value, %type, %help, %done, $current);
    return ({}, 'no line feed at the end') if $text !~ /\n\z/;
    for my $line (split /\n/, $text) {
        if (my ($what, $name, $rest) = $line =~ /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)$/) {
            my $seen = $what eq 'HELP' ? \%help : \%type;
            return ({}, "twice: $line") if $seen->{$name}++;
            return ({}, "after its samples: $line") if $done{$name};
            return ({}, "bad escape: $line") if $what eq 'HELP' && $rest =~ /\\(?![\\n])/;
            return ({}, "unknown type: $line") if $what eq 'TYPE' && $rest !~ /^(?:counter|gauge)$/;
            return ({}, "counter without _total, or the other way round: $line")
                if $what eq 'TYPE' && ($rest eq 'counter') != ($name =~ /_total$/ ? 1 : 0);
            next;
        }
        my ($name, $labels, $value) = $line =~ /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?)$/
            or return ({}, "neither comment nor sample: $line");
        return ({}, "no HELP or TYPE: $line") if !$help{$name} || !$type{$name};
        return ({}, "apart from the others: $line") if $done{$name} && $current ne $name;
        $done{$current = $name} = 1;
        if (defined $labels) {
            my %names;
            while ($labels =~ /\G([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\\n]|\\[\\"n])*"(?:,(?=.)|\z)/gc) {
                return ({}, "label twice: $line") if $names{$1}++;
            }
            return ({}, "bad labels: $line") if ($labels eq '') || (pos($labels) || 0) != length $labels;
        }
        my $key = defined $labels ? "$name\{$labels}" : $name;
        return ({}, "sample twice: $line") if exists $value{$key};
        $value{$key} = $value;
    }
    return (\%value, '');
}

sub metrics {
    my ($values, $problem) = parse(ask('GET')->{body});
    diag($problem) if $problem;
    return $values;
}

subtest 'the parser' => sub {
    #   text                                                                    problem
    my @bad = (
        ["# HELP a b\n# TYPE a gauge\na 1",                                     'no line feed at the end'],
        ["a 1\n",                                                               'no HELP or TYPE'],
        ["# HELP a b\n# TYPE a gauge\na 1\na 2\n",                              'sample twice'],
        ["# HELP a b\n# TYPE a counter\na 1\n",                                 'counter without _total'],
        ["# HELP a b\n# TYPE a gauge\na{b=\"\"c\"} 1\n",                        'bad labels'],
        ["# HELP a b\n# TYPE a gauge\na{b=\"\\x\"} 1\n",                        'bad labels'],
        ["# HELP a b\n# TYPE a gauge\na{b=\"1\",} 1\n",                         'bad labels'],
        ["# HELP a b\n# TYPE a gauge\na one\n",                                 'neither'],
        ["# HELP a b\n# TYPE a gauge\na 1\n# HELP a c\n",                       'twice'],
    );
    like((parse($_->[0]))[1], qr/^$_->[1]/, "refuses: $_->[1]") for @bad;
    is((parse("# HELP a b\n# TYPE a gauge\na{b=\"x\\\"y\",c=\"\"} 1\n"))[1], '', 'takes what is right');
};

subtest 'the answer' => sub {
    my $r = ask('GET');
    is($r->{status}, 200, 'GET: 200');
    is($r->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', '... type');
    is($r->{headers}{'cache-control'}, 'no-store', '... not to be cached');
    is((parse($r->{body}))[1], '', '... a strict parser takes it');
    my $s = raw_connect($h->port('plain'));
    print $s "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    my $head = do { local $/; <$s> };
    like($head, qr{^HTTP/1.1 200 .*^Content-Type: text/plain; version=0.0.4}ims, 'HEAD: 200, the same type');
    like($head, qr/\r\n\r\n\z/, '... and no body');
    for my $method (qw(POST PUT DELETE TRACK)) {
        my $refused = ask($method);
        is($refused->{status}, $method eq 'TRACK' ? 501 : 405, "$method is refused") if $method ne 'TRACK';
        like($refused->{headers}{allow} || '', qr/^(?=.*\bGET\b)(?=.*\bHEAD\b)(?!.*POST)/, '... Allow: GET, HEAD')
            if $method ne 'TRACK';
    }
    my $values = metrics();
    my ($info) = grep { /^ssl_module_info/ } keys %$values;
    like($info, qr/\{module="mod_ssl\/[\d.]+",openssl="[\d.]+"\}/, 'versions');
    cmp_ok(abs($values->{ssl_counting_since_timestamp_seconds} - time), '<', 3600, 'since when');
};

# --- what is counted ----------------------------------------------------------------------------------

# Counters that change while CODE runs, but for those of SNI: "name{...}" => by how much.
sub changes {
    my ($code, $expected) = @_;
    my $before = metrics();
    $code->();
    my %changed;
    wait_for(5, sub {
        my $after = metrics();
        %changed = map { my $d = $after->{$_} - ($before->{$_} || 0); $d ? ($_ => $d) : () }
            grep { /_total/ && !/^ssl_server_names|_locks_total/ } keys %$after;
        return join(' ', sort keys %changed) eq join(' ', sort keys %$expected);
    });
    return \%changed;
}

sub visit {
    my (%o) = @_;
    my $path = delete $o{path} || '/';
    my $s = tls_connect(port => $h->port, %o) or return;
    my $r = http_get($s, $path, $o{sni} || 'localhost', close => 1);
    return session($s);
}

sub send_raw {
    my ($port, $bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 10) or die "connect: $!";
    print $s $bytes;
    local $SIG{ALRM} = sub { die "no end\n" };
    alarm 50;
    my $got = do { local $/; <$s> } if length $bytes && $bytes ne 'wait';
    alarm 0;
    close $s;
}

my $pki = pki_dir();
my %session;
my $h13 = 'ssl_handshakes_total{protocol="TLSv1.3",kind';
my $h12 = 'ssl_handshakes_total{protocol="TLSv1.2",kind';
my $failed = 'ssl_handshake_failures_total{reason';
my $cache = 'ssl_session_cache_operations_total{operation';
my @cases = (
    ['full, TLS 1.3', sub { $session{13} = visit(version => '1.3') },
        { "$h13=\"full\"}" => 1, 'ssl_tickets_total{result="issued"}' => 1 }],
    ['resumed by ticket, TLS 1.3', sub { visit(version => '1.3', session => $session{13}) },
        { "$h13=\"resumed\"}" => 1, 'ssl_tickets_total{result="issued"}' => 1, 'ssl_tickets_total{result="accepted"}' => 1 }],
    ['full, TLS 1.2', sub { $session{12} = visit(version => '1.2', sni => 'stateful.test') },
        { "$h12=\"full\"}" => 1, "$cache=\"store\",result=\"done\"}" => 1 }],
    ['resumed by id, TLS 1.2', sub { visit(version => '1.2', sni => 'stateful.test', session => $session{12}) },
        { "$h12=\"resumed\"}" => 1, "$cache=\"retrieve\",result=\"hit\"}" => 1 }],
    ['protocol', sub { s_client(port => $h->port, args => ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']) },
        { "$failed=\"protocol_version\"}" => 1 }],
    ['cipher', sub { s_client(port => $h->port, args => ['-tls1_2', '-cipher', 'AES256-SHA']) },
        { "$failed=\"no_shared_cipher\"}" => 1 }],
    ['plain HTTP', sub { send_raw($h->port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") },
        { "$failed=\"plain_http\"}" => 1 }],
    ['noise', sub { send_raw($h->port, "\x07noise and more noise\r\n\r\n") }, { "$failed=\"not_tls\"}" => 1 }],
    ['opened and closed', sub { send_raw($h->port, '') }, { "$failed=\"closed_unused\"}" => 1 }],
    ['closed in the middle', sub { my $s = raw_connect($h->port); print $s "\x16\x03\x01\x02\x00\x01"; close $s },
        { "$failed=\"closed_by_client\"}" => 1 }],
    ['silent', sub { send_raw($h->port, "\x16\x03\x01\x02\x00\x01\x00") }, { "$failed=\"timeout\"}" => 1 }],
    ['certificate missing', sub { s_client(port => $h->port('verify'), args => ['-tls1_3'], input => "GET / HTTP/1.0\r\n\r\n") },
        { "$failed=\"client_certificate_missing\"}" => 1 }],
    ['certificate refused', sub { s_client(port => $h->port('verify'), args => ['-tls1_2', '-cert', "$pki/selfsigned.crt",
                '-key', "$pki/selfsigned.key"], input => "GET / HTTP/1.0\r\n\r\n") },
        { "$failed=\"client_certificate_refused\"}" => 1 }],
    ['alert', sub { s_client(port => $h->port, args => ['-tls1_2', '-CAfile', "$pki/selfsigned.crt", '-verify_return_error']) },
        { "$failed=\"client_alert\"}" => 1 }],
    ['another host', sub { my $s = tls_connect(port => $h->port, version => '1.3', sni => 'localhost') or die;
            http_get($s, '/', 'nowhere.test', close => 1) },
        { "$h13=\"full\"}" => 1, 'ssl_tickets_total{result="issued"}' => 1 }],
    ['client certificate for a directory, TLS 1.2', sub { visit(version => '1.2', path => '/private',
            cert => "$pki/client.crt", key => "$pki/client.key") },
        { "$h12=\"full\"}" => 1, 'ssl_rehandshakes_total{kind="renegotiation",result="done"}' => 1,
            'ssl_tickets_total{result="issued"}' => 1, "$cache=\"store\",result=\"done\"}" => 1 }],
);
for my $case (@cases) {
    my ($what, $code, $expected) = @$case;
    my $changes = changes($code, $expected);
    is_deeply($changes, $expected, $what) or diag(explain($changes));
}

subtest 'restarts and killed children' => sub {
    my $before = metrics()->{"$h13=\"full\"}"};
    cmp_ok($before, '>', 0, 'there is something to lose');
    ok($h->graceful, 'graceful');
    is(metrics()->{"$h13=\"full\"}"}, $before, '... all is there');
    ok($h->restart, 'restart');
    is(metrics()->{"$h13=\"full\"}"}, $before, '... all is there');
    visit(version => '1.3');
    kill 'KILL', grep { $_ != $h->pid } $h->pids;
    ok(wait_for(10, sub { my $r = ask('GET'); $r && ($r->{status} || 0) == 200 }), 'all children were killed');
    is(metrics()->{"$h13=\"full\"}"}, $before + 1, '... nothing is lost');
};

subtest 'caches' => sub {
    my $values = metrics();
    cmp_ok($values->{"ssl_session_cache_$_"}, '>', 0, "shmcb: $_") for qw(entries bytes capacity_bytes locks_total);
    is($values->{"ssl_session_cache_$_"}, 0, "shmcb: $_") for qw(lock_waits_total repairs_total evicted_total);
    (my $dbm = $tls) =~ s/shmcb:\S+"/dbm:\@root\@\/run\/cache"/;
    $h->config($dbm);
    ok($h->graceful, 'graceful: dbm');
    visit(version => '1.2', sni => 'stateful.test');
    $values = metrics();
    is($values->{ssl_session_cache_entries}, 1, 'dbm: entries');
    is($values->{ssl_session_cache_failures_total}, 0, 'dbm: failures');
    ok(!exists $values->{ssl_session_cache_locks_total}, 'what it does not have is not shown');
    (my $none = $tls) =~ s/SSLSessionCache .*/SSLSessionCache none/;
    $h->config($none);
    ok($h->graceful, 'graceful: none');
    is(scalar(grep { /^ssl_session_cache_(?!operations)/ } keys %{ metrics() }), 0, 'no cache: no figures of it');
};
done_testing;
