# New connections to a backend resume the TLS session of an earlier one, unless name, client certificate or settings are others.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only mpm);
use ModSSL::PKI qw(pki_file);

ours_only('the stock module makes a full handshake for each connection to a backend');
need('nginx');
my $ca = pki_file('ca.crt');
my $ask = "ssl_verify_client optional; ssl_client_certificate $ca;";
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa', more => $ask },
    tls12 => { cert => 'rsa', more => "$ask ssl_protocols TLSv1.2;" },
    stateful => { cert => 'rsa', more => "$ask ssl_protocols TLSv1.2; ssl_session_tickets off;" },
    stateful13 => { cert => 'rsa', more => "$ask ssl_protocols TLSv1.3; ssl_session_tickets off;" },
    never => { cert => 'rsa', more => 'ssl_session_cache off; ssl_session_tickets off;' });
my $pass = sub { "ProxyPass $_[1] https://localhost:" . $backend->port($_[0]) . '/ disablereuse=on retry=0' };
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile $ca\n";
my %hosts = (
    map({ $_ => $pass->($_, '/') } qw(rsa tls12 stateful stateful13 never)),
    same     => $pass->('rsa', '/'),
    depth    => "${require}SSLProxyVerifyDepth 2\n" . $pass->('rsa', '/'),
    otherca  => "SSLProxyVerify optional_no_ca\nSSLProxyCACertificateFile \@pki\@/ca2.crt\n" . $pass->('rsa', '/'),
    protocol => "SSLProxyProtocol TLSv1.3\n" . $pass->('rsa', '/'),
    sni      => "SSLProxySNI rsa.test\n" . $pass->('rsa', '/'),
    alpn     => "SSLProxyALPN http/1.1\n" . $pass->('rsa', '/'),
    off      => "SSLProxySessionCache off\n" . $pass->('rsa', '/'),
    on       => "SSLProxySessionCache on\n" . $pass->('rsa', '/'),
    verified => $require . $pass->('rsa', '/'),
    cert     => 'SSLProxyMachineCertificateFile ' . pki_file('proxy.pem') . "\n" . $pass->('rsa', '/'),
    othercert => 'SSLProxyMachineCertificateFile ' . pki_file('client-ec.pem') . "\n" . $pass->('rsa', '/'),
    names    => "ProxyPreserveHost on\nSSLProxyCheckPeerName on\n" . $pass->('rsa', '/'),
    sections => $pass->('rsa', '/a/') . "\n" . $pass->('tls12', '/b/') . "\n<Proxy https://localhost:" . $backend->port('tls12') . "/>\nSSLProxySessionCache off\n</Proxy>",
);
# One process: whether several share their sessions is not what is asked here.
my $prefork = mpm() eq 'prefork';
my $one = $prefork ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 16\nMaxRequestWorkers 16\n";
my $h = front(hosts => \%hosts, main => $one);
$h->start or die $h->why;

# The kinds of connections of some requests, each on a new one: "." full, "r" resumed.
sub kinds {
    my ($name, $count, %o) = @_;
    my %connection;
    my @all = map { via($h, $name, %o) } 1 .. $count;
    $connection{ $_->{seen}{connection} || '?' }++ for @all;
    is(scalar keys %connection, $count, "$name: connections of their own");
    return join '', map { $_->{status} == 200 ? $_->{seen}{reused} : "($_->{status})" } @all;
}

# [virtual host, what five requests have]: hosts that differ in nothing share their sessions, those that differ in anything do not
for my $case (['rsa', '\.rrrr'], ['tls12', '\.rrrr'], ['stateful', '\.rrrr'], ['stateful13', '\.rrrr'], ['on', '[.r]rrrr'], ['verified', '\.rrrr'],
    ['same', 'r{5}'], ['depth', '\.rrrr'], ['otherca', '\.rrrr'], ['protocol', '\.rrrr'], ['sni', '\.rrrr'], ['alpn', '\.rrrr'], ['cert', '\.rrrr'], ['off', '\.{5}'], ['never', '\.{5}']) {
    my ($name, $want) = @$case;
    like(kinds($name, 5), qr/^$want$/, $name);
}
like(kinds('sections', 4, path => '/a/'), qr/^[.r]rrr$/, 'section without');
is(kinds('sections', 4, path => '/b/'), '....', 'section with SSLProxySessionCache off');

# Another client certificate is another session, and the backend knows it for who it is.
for my $n (1 .. 3) {
    is(via($h, 'cert')->{seen}{client}, 'CN=proxy.test', 'client certificate');
    is(via($h, 'othercert')->{seen}{client}, 'CN=EC Client', 'the other');
    is(via($h, 'rsa')->{seen}{client}, '', 'none');
}

# Another name is another session, also for the check of names.
{
    my %kinds;
    for my $round (1 .. 3) {
        $kinds{$_} .= via($h, 'names', host => $_)->{seen}{reused} for qw(rsa.test a.wild.test b.wild.test);
    }
    is($kinds{$_}, '.rr', "name $_") for sort keys %kinds;
    is(via($h, 'names', host => 'wrong.test')->{status}, 500, 'a wrong name is refused beside that') for 1 .. 2;
}

# A session that the backend no longer knows: full handshake, no error.
$backend->stop;
my $again = $backend->program(cmd => ['nginx', '-c', $backend->dir . '/nginx.conf', '-p', $backend->dir, '-e', 'stderr']);
is(via($h, $_)->{status}, 200, "$_: after the backend's restart") for qw(rsa tls12 stateful stateful13 verified);

# What is refused with a full handshake is not let in by a session that had other settings: after a restart with stricter ones.
ok($h->graceful, 'graceful restart');
is(via($h, 'rsa')->{status}, 200, 'works after it');
$hosts{rsa} = "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca2.crt\n" . $pass->('rsa', '/');
$h->config(join '', $one, map { "<VirtualHost 127.0.0.1:\@port:$_\@>\nSSLProxyEngine on\n$hosts{$_}\n</VirtualHost>\n" } sort keys %hosts);
ok($h->graceful, 'graceful restart with another CA');
is(via($h, 'rsa')->{status}, 500, 'refused now') for 1 .. 2;

ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
