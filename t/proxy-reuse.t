# A connection to a backend is used again only by requests with the settings that it was made with, where several virtual
# hosts or sections share a worker: nobody gets an answer by way of another's client certificate, or of a backend that it would refuse.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(is_stock mpm);
use ModSSL::PKI qw(pki_file);

need('nginx');
my $ask = 'ssl_verify_client optional; ssl_client_certificate ' . pki_file('ca.crt') . ';';
my $backend = ModSSL::Backend->nginx(map { $_ => { cert => 'rsa', more => $ask } } qw(worker balancer section));
my $url = sub { 'https://localhost:' . $backend->port($_[0]) };
my $certificate = sub { 'SSLProxyMachineCertificateFile ' . pki_file($_[0]) };
my $trust = sub { "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file($_[0]) };
my %settings = (
    lax    => '',
    same   => '',
    strict => $trust->('ca.crt'),
    other  => $trust->('ca2.crt'),
    cert   => $certificate->('proxy.pem'),
    ec     => $certificate->('client-ec.pem'),
    old    => 'SSLProxyProtocol TLSv1.2',
);
my %hosts = map { ("w$_" => $settings{$_}, "b$_" => "$settings{$_}\nProxyPass / balancer://shared/") } keys %settings;
$hosts{section} = 'ProxyPass / ' . $url->('section') . "/\n"
    . join "\n", map { '<Proxy "' . $url->('section') . "/$_/\">\n$settings{$_}\n</Proxy>" } grep { $settings{$_} } sort keys %settings;
my $one = mpm() eq 'prefork' ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my $h = front(hosts => \%hosts, modules => [qw(proxy_balancer lbmethod_byrequests slotmem_shm)],
    main => "${one}<Proxy balancer://shared>\nBalancerMember " . $url->('balancer') . "\n</Proxy>\nProxyPass /w/ " . $url->('worker') . "/\n");
$h->start or die $h->why;

sub answer_to {
    my ($kind, $name) = @_;
    return $kind eq 'section' ? via($h, 'section', path => "/$name/") : via($h, "$kind$name", path => $kind eq 'w' ? '/w/' : '/');
}

# A request of each kind: its status, and what the backend has seen.
sub seen {
    my ($kind, $name) = @_;
    my $r = answer_to($kind, $name);
    return $r->{status} == 200 ? "$r->{seen}{protocol} $r->{seen}{client}" : $r->{status};
}
my @WANT = (lax => 'TLSv1.3 ', strict => 'TLSv1.3 ', cert => 'TLSv1.3 CN=proxy.test', other => 500, lax => 'TLSv1.3 ', other => 500,
    ec => 'TLSv1.3 CN=EC Client', old => 'TLSv1.2 ', same => 'TLSv1.3 ', cert => 'TLSv1.3 CN=proxy.test', strict => 'TLSv1.3 ', ec => 'TLSv1.3 CN=EC Client');
for my $kind (qw(w b section)) {
    for (my $i = 0; $i < @WANT; $i += 2) {
        # the stock module uses the first connection for all
        is(seen($kind, $WANT[$i]), is_stock() ? 'TLSv1.3 ' : $WANT[ $i + 1 ], "$kind: $WANT[$i]");
    }
}
# Equal settings: one connection for both virtual hosts, and none is lost between.
for my $kind (qw(w b)) {
    my @connections = map { answer_to($kind, $_)->{seen}{connection} } qw(lax same lax same);
    is_deeply([@connections[1 .. 3]], [($connections[0]) x 3], "$kind: kept where nothing differs");
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal|given up/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
