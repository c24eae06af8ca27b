# Handshakes with backends are counted by protocol and whether they were resumed, failures by reason: each once, and apart from
# those with clients; a kept connection, and a backend that is not there, count nothing. The same in mod_status.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need tls request reset_connection);
use ModSSL::CModule;
use ModSSL::Client qw(raw_connect http_get);
use ModSSL::Httpd qw(ours_only free_ports);
use ModSSL::PKI qw(make_cert make_crl pki_file);
ours_only('the stock module counts nothing');
need('nginx');

my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-metrics.$$";
make_cert(dir => $dir, name => $_, san => ['DNS:localhost'], key => 'ec') for qw(revoked);
make_cert(dir => $dir, name => 'expired', san => ['DNS:localhost'], key => 'ec', start => -90 * 86400, end => -86400);
make_crl('ca', "$dir/ca.crl", revoke => ["$dir/revoked.crt"]);
my $old = 'ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;';
my $nginx = ModSSL::Backend->nginx(rsa => { cert => 'rsa' }, expired => { cert => "$dir/expired" }, revoked => { cert => "$dir/revoked" },
    old => { cert => 'rsa', more => $old }, plain => {});

my $hello = sub { sysread $_[0], my $bytes, 16384; return $bytes };
my $text = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody";
my $answering = sub {
    my ($code) = @_;
    return sub { my ($raw) = @_; my $sock = tls($raw, cert => 'rsa') or return; request($sock); $code->($sock, $raw) };
};
my %bad = map { $_->[0] => ModSSL::Backend->perl($_->[1]) } (
    [stall   => sub { $hello->($_[0]); sleep 20 }],
    [closes  => $hello],
    [resets  => sub { $hello->($_[0]); reset_connection($_[0]) }],
    [garbage => sub { $hello->($_[0]); syswrite $_[0], 'z' x 1000; sleep 1 }],
    [cut     => $answering->(sub { syswrite $_[0], $text })],
    [breaks  => $answering->(sub { syswrite $_[0], $text; sleep 1; reset_connection($_[1]) })],
    [whole   => $answering->(sub { syswrite $_[0], $text; $_[0]->close })],
);
my ($nobody) = free_ports(1);
my $to = sub { my ($port, $scheme) = @_; return 'ProxyPass / ' . ($scheme || 'https') . "://localhost:$port/ disablereuse=on retry=0" };
my $rsa = $to->($nginx->port('rsa'));
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file('ca.crt');
my $lax = 'SSLProxyCipherSuite ALL:@SECLEVEL=0';
sub done { return "handshakes protocol=\"$_[0]\",kind=\"$_[1]\"" }
sub failed { return "failures reason=\"$_[0]\"" }

# name => [directives, what is counted by the first request, and by the next ones]
my @CASES = (
    [full13    => "SSLProxySessionCache off\n$rsa", done('TLSv1.3', 'full'), done('TLSv1.3', 'full')],
    [resumed13 => $rsa, done('TLSv1.3', 'full'), done('TLSv1.3', 'resumed'), done('TLSv1.3', 'resumed')],
    [resumed12 => "SSLProxyProtocol TLSv1.2\n$rsa", done('TLSv1.2', 'full'), done('TLSv1.2', 'resumed'), done('TLSv1.2', 'resumed')],
    [full11    => "SSLProxySessionCache off\nSSLProxyProtocol TLSv1.1\n$lax\n" . $to->($nginx->port('old')), done('TLSv1.1', 'full')],
    [full10    => "SSLProxySessionCache off\nSSLProxyProtocol TLSv1\n$lax\n" . $to->($nginx->port('old')), done('TLSv1', 'full')],
    [kept      => "SSLProxySessionCache off\nProxyPass / https://localhost:" . $nginx->port("rsa") . "/", done('TLSv1.3', 'full'), '', ''],
    [unknown   => "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file('ca2.crt') . "\n$rsa", failed('certificate')],
    [revoked   => "$require\nSSLProxyCARevocationCheck leaf\nSSLProxyCARevocationFile $dir/ca.crl\n" . $to->($nginx->port('revoked')), failed('certificate')],
    [name      => "ProxyPreserveHost on\n$rsa", failed('name_or_dates')],
    [expired   => $to->($nginx->port('expired')), failed('name_or_dates')],
    [version   => $to->($nginx->port('old')), failed('tls')],
    [cipher    => "SSLProxyProtocol TLSv1.2\nSSLProxyCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256\n$rsa", failed('tls')],
    [plain     => $to->($nginx->port('plain')), failed('tls')],
    [garbage   => $to->($bad{garbage}->port), failed('tls')],
    [alpn      => $to->($nginx->port('rsa'), 'h2'), failed('tls') . ' + ' . failed('tls')],    # mod_proxy_http2 tries twice
    [stall     => "ProxyTimeout 1\n" . $to->($bad{stall}->port), failed('timeout')],
    [closes    => $to->($bad{closes}->port), failed('closed')],
    [resets    => $to->($bad{resets}->port), failed('closed')],
    [whole     => "SSLProxySessionCache off\n" . $to->($bad{whole}->port), done('TLSv1.3', 'full')],
    [cut       => "SSLProxySessionCache off\n" . $to->($bad{cut}->port), done('TLSv1.3', 'full') . ' + ' . failed('cut_off')],
    [breaks    => "SSLProxySessionCache off\n" . $to->($bad{breaks}->port), done('TLSv1.3', 'full') . ' + ' . failed('cut_off')],
    [hook      => "ProbeRefuse proxy_post_handshake\n$rsa", failed('other')],
    [nobody    => $to->($nobody), ''],
    [noengine  => "SSLProxyEngine off\n$rsa", ''],
);
my %hosts = map { $_->[0] => $_->[1] } @CASES;
my $h = front(modules => ['proxy_http2', 'status'], hosts => { %hosts, figures =>
    "<Location /metrics>\nSetHandler ssl-metrics\n</Location>\n<Location /status>\nSetHandler server-status\n</Location>" },
    main => "LoadModule tls_probe_module \@root\@/mod_tls_probe.so\nServerLimit 1\n");
ModSSL::CModule::build('mod_tls_probe', $h->root);
$h->start or die $h->why;
my $figures = sub { return http_get(raw_connect($h->port('figures')), $_[0], 'localhost', close => 1)->{body} };

# All counters that are not 0: "handshakes labels" or "failures labels" of backends, the whole name of others.
sub counters {
    my %value = $figures->('/metrics') =~ /^(ssl_\w+_total(?:\{[^}]*\})?) ([1-9]\d*)$/mg;
    return map { s/^ssl_backend_(\w+)_total\{(.*)\}$/$1 $2/r => $value{$_} } keys %value;
}
my %before = counters();
my %sum;
for my $case (@CASES) {
    my ($name, undef, @want) = @$case;
    for my $want (@want) {
        via($h, $name, $name eq 'name' ? (host => 'wrong.test') : ());
        my %now = counters();
        my @more = map { ($_) x ($now{$_} - ($before{$_} || 0)) } sort { $b cmp $a } keys %now;
        is(join(' + ', @more), $want, "$name: " . ($want || 'nothing'));
        %before = %now;
    }
}

# mod_status: the same numbers, by the words of docs/metrics.md.
my %auto = $figures->('/status?auto') =~ /^(TLSBackend\S+): (\d+)$/mg;
my %prometheus = map { my ($family, $labels) = split / /, $_, 2; ('TLSBackend' . ucfirst($family) . join('', map { ".$_" } $labels =~ /"([^"]*)"/g) => $before{$_}) }
    grep { /^(?:handshakes|failures) / } keys %before;
is_deeply({ map { $_ => $auto{$_} } grep { $auto{$_} } keys %auto }, \%prometheus, 'mod_status, ?auto');
is($auto{'TLSBackendHandshakes.TLSv1.resumed'}, 0, '... what never happened is there as 0');
my $html = $figures->('/status');
like($html, qr{TLS handshakes with backends[^<]*</th></tr>\s*(?:<tr><td>[^<]*</td><td align="right"><b>\d+</b></td></tr>\s*)*<tr><td>TLSv1\.3 resumed</td><td align="right"><b>2</b>}, '... HTML: handshakes');
like($html, qr{<tr><td>name_or_dates</td><td align="right"><b>2</b>}, '... failures');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
