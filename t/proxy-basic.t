# TLS to backends in the small: a backend is reached or refused as SSLProxy... say, in a virtual host and in <Proxy> sections, and
# the page and the log say why.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

sub back { my ($cert) = @_; return "<VirtualHost 127.0.0.1:\@port:$cert\@>\nSSLEngine on\nSSLCertificateFile \@pki\@/$cert.crt\n"
    . "SSLCertificateKeyFile \@pki\@/$cert.key\nSSLVerifyClient optional_no_ca\nHeader set Client \%{SSL_CLIENT_S_DN_CN}s\n"
    . "Header set Sni \%{SSL_TLS_SNI}s\nHeader set Resumed \%{SSL_SESSION_RESUMED}s\n</VirtualHost>\n" }

my $ca = "SSLProxyCACertificateFile \@pki\@/ca.crt\n";
# An idle connection would look like a leak when its process ends.
my $pass = sub { "ProxyPass / https://localhost:\@port:$_[0]\@/ retry=0 disablereuse=on\n" };
my %fronts = (
    plain    => [$pass->('rsa'), 200],
    verified => ["SSLProxyVerify require\n$ca" . $pass->('rsa'), 200],
    unknown  => ["SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca2.crt\n" . $pass->('rsa'), 500,
                 qr/issuer of .*CN=rsa\.test.*CN=Test Root CA.* is not known/],
    name     => [$pass->('a'), 500, qr/not for the name .*localhost.*names are .*a\.test/],
    dated    => [$pass->('expired'), 500, qr/expired on \w+ +\d+ /],
    anyname  => ["SSLProxyCheckPeerName off\n" . $pass->('a'), 200],
    section  => ["<Proxy https://localhost:\@port:a\@/>\nSSLProxyCheckPeerName off\n</Proxy>\n" . $pass->('a'), 200],
    strict   => ["<Proxy https://localhost:\@port:rsa\@/>\nSSLProxyVerify require\n</Proxy>\n" . $pass->('rsa'), 500, qr/issuer/],
    client   => ["SSLProxyMachineCertificateFile \@pki\@/proxy.pem\n" . $pass->('rsa'), 200],
    sni      => [(is_stock() ? '' : "SSLProxySNI other.test\n") . $pass->('rsa'), 200],
    nosni    => [(is_stock() ? '' : "SSLProxySNI off\n") . $pass->('rsa'), 200],
    off      => ["SSLProxyEngine off\n" . $pass->('rsa'), 500],
    once     => [$pass->('rsa'), 200],
    never    => [(is_stock() ? '' : "SSLProxySessionCache off\n") . $pass->('rsa'), 200],
);
my $h = ModSSL::Httpd->new(modules => [qw(proxy proxy_http headers)], listen => [qw(rsa a expired), sort keys %fronts],
    config => join '', (map { back($_) } qw(rsa a expired)),
        map { "<VirtualHost 127.0.0.1:\@port:$_\@>\nSSLProxyEngine on\n$fronts{$_}[0]</VirtualHost>\n" } sort keys %fronts);
$h->start or die $h->why;

sub get {
    my ($name) = @_;
    my $sock = raw_connect($h->port($name)) or return { status => 0 };
    return http_request($sock, path => '/', host => 'localhost', close => 1) || { status => 0 };
}

for my $name (sort keys %fronts) {
    my (undef, $status, $why) = @{ $fronts{$name} };
    $h->log_mark;
    my $r = get($name);
    is($r->{status}, $status, $name);
    next if !$why || is_stock();
    like($r->{body}, $why, '... the page says why');
    ok($h->errorlog_like(qr/TLS to the backend 127\.0\.0\.1:\d+ .*failed: .*$why/), '... and the log');
}
is(get('client')->{headers}{client}, 'proxy.test', 'the backend sees our certificate');

is(get('plain')->{headers}{sni}, 'localhost', 'SNI: the name of the URL');
SKIP: {
    skip 'stock neither resumes sessions of backends nor has SSLProxySNI', 4 if is_stock();
    is(get('sni')->{headers}{sni}, 'other.test', 'SSLProxySNI: another name');
    like(get('nosni')->{headers}{sni} || '', qr/^(?:\(null\))?$/, '... or none');
    my %resumed = map { my $name = $_; $name => scalar grep { (get($name)->{headers}{resumed} || '') eq 'Resumed' } 1 .. 20 } qw(once never);
    cmp_ok($resumed{once}, '>', 0, 'new connections resume');
    is($resumed{never}, 0, '... unless SSLProxySessionCache is off');
}
ok($h->graceful, 'graceful restart');
is(get('verified')->{status}, 200, '... and on it goes');
ok($h->stop, 'server stops');
done_testing;
