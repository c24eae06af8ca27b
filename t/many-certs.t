# Hosts that differ in their certificates alone share an SSL_CTX from the 65th on: each still serves its own, by every name,
# version and kind of key, with the chain that its CAs lead to, resumes no other's session, asks for its own client certificates, is
# looked at for mistakes at start, and serves a new file after a restart.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(openssl pki_file);

my $count = 100;
my $h;
sub file { return $h->root . "/many/$_[0]" }
sub key { return $_[0] % 10 == 9 ? 'rsa.key' : 'ec.key' }

# One key serves all, so that making them is quick; what tells them apart is the certificate.
sub certificate {
    my ($name, $n, $key) = @_;
    openssl('req', '-x509', '-new', '-key', $key, '-subj', "/CN=$name", '-days', 30, '-set_serial', $n + 1, '-out', file("$n.crt"));
    return;
}
# 0..99 as they are; "two" has two certificates, "auth" wants one from its clients.
sub host {
    my ($name, @lines) = @_;
    return join "\n", '<VirtualHost 127.0.0.1:@port:https@>', "ServerName $name.many.test", 'SSLEngine on', @lines,
        "Header always set X-Vhost $name", "</VirtualHost>\n";
}
sub own { my ($n) = @_; return ("SSLCertificateFile \@root\@/many/$n.crt", "SSLCertificateKeyFile \@root\@/many/" . key($n)) }

$h = ModSSL::Httpd->new(name => 'many-certs', config => join '',
    "SSLSessionCache shmcb:\@root\@/run/cache(512000)\nSSLCACertificateFile \@pki\@/ca-inter.crt\n",
    (map { host("h$_", own($_)) } 0 .. $count - 1),
    host('two', own(19), own(18)),
    host('chained', 'SSLCertificateFile @pki@/chain-leaf.crt', 'SSLCertificateKeyFile @pki@/chain.key'),
    host('filed', 'SSLCertificateFile @pki@/chain-leaf.crt', 'SSLCertificateKeyFile @pki@/chain.key',
         'SSLCertificateChainFile @pki@/ca-inter.crt'),
    host('auth', own(17), 'SSLCACertificateFile @pki@/ca.crt', 'SSLVerifyClient require'));
mkdir $h->root . '/many';
openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('ec.key'));
openssl('genrsa', '-out', file('rsa.key'), 2048);
certificate("h$_.many.test", $_, file(key($_))) for 0 .. $count - 1;
$h->start or die $h->why;

# "CN of the certificate, host that answered"
sub answer {
    my ($name, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => "$name.many.test", %o) or return 'refused';
    my $cn = peer_cn($s);
    my $r = http_get($s, '/', "$name.many.test", close => 1) or return "$cn, closed";
    return "$cn, " . ($r->{headers}{'x-vhost'} // $r->{status});
}

for my $version ('1.2', '1.3') {
    my @wrong;
    for my $n (0 .. $count - 1) {
        my $got = answer("h$n", version => $version);
        push @wrong, "h$n: $got" if $got ne "h$n.many.test, h$n";
    }
    is("@wrong", '', "TLS $version: each has its own certificate");
    is(answer('unknown', version => $version), 'h0.many.test, h0', "TLS $version: an unknown name gets the first");
    unlike(answer('auth', version => $version), qr/, auth/, "TLS $version: no client certificate");
    is(answer('h17', version => $version), 'h17.many.test, h17', "TLS $version: the same certificate, which asks for none");
    is(answer('auth', version => $version, cert => pki_file('client.crt'), key => pki_file('client.key')),
       'h17.many.test, auth', "TLS $version: with one");
}
my $s = tls_connect(port => $h->port) or die $tls_error;
is(peer_cn($s), 'h0.many.test', 'no name: the first');
is(answer('two', version => '1.2', ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'h18.many.test, two', 'two certificates: ECDSA');
is(answer('two', version => '1.2', ciphers => 'ECDHE-RSA-AES128-GCM-SHA256'), 'h19.many.test, two', 'two certificates: RSA');
is(answer('h9', version => '1.2', ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'refused', 'RSA alone: ECDSA is not borrowed');
is(answer('h8', version => '1.2', ciphers => 'ECDHE-RSA-AES128-GCM-SHA256'), 'refused', 'ECDSA alone: RSA is not borrowed');

# How many certificates come
sub sent {
    my ($name) = @_;
    my ($out) = s_client(port => $h->port, args => [ '-servername', "$name.many.test", '-showcerts' ], input => "GET / HTTP/1.0\r\n\r\n");
    return scalar(() = $out =~ /BEGIN CERTIFICATE/g);
}
is(sent('h1'), 1, 'no chain');
my $stock = ModSSL::Httpd::is_stock();
is(sent('chained'), 3, 'the chain is completed from the CAs');
is(sent('filed'), 3, 'SSLCertificateChainFile: as it is');
SKIP: {
    skip 'the stock module words it otherwise', 1 if $stock;
    like($h->errorlog, qr/AH01909: .*chain-leaf\.crt' does NOT include an ID which matches ServerName chained\.many\.test/,
         'a name that a certificate lacks is named at start');
}

# s_client -sess_out, then -sess_in with another name
sub second_visit {
    my ($version, $to) = @_;
    my $session = file('session');
    s_client(port => $h->port, args => [ "-tls1_$version", '-servername', 'h20.many.test', '-sess_out', $session ],
             input => "GET / HTTP/1.0\r\n\r\n");
    my ($out) = s_client(port => $h->port, args => [ "-tls1_$version", '-servername', "$to.many.test", '-sess_in', $session ],
                         input => "GET / HTTP/1.0\r\n\r\n");
    return $out =~ /^(New|Reused), TLS/m ? $1 : 'nothing';
}
for my $version (2, 3) {
    is(second_visit($version, 'h20'), 'Reused', "TLS 1.$version: a session is resumed where it was made");
    is(second_visit($version, 'h21'), 'New', "TLS 1.$version: and not by the next host");
}

certificate('new.many.test', 50, file('ec.key'));
is(answer('h50'), 'h50.many.test, h50', 'a file that has changed: nothing yet');
ok($h->graceful, 'graceful restart');
is(ModSSL::Httpd::wait_for(10, sub { my $a = answer('h50'); $a =~ /new/ && $a }), 'new.many.test, h50', 'the new one is served');
is(answer('h51'), 'h51.many.test, h51', 'and the others are what they were');

# What the others share has no certificate in it: that must not do for a host that has none.
$h->stop;
for my $bare_first (1, 0) {
    my @hosts = map { host("h$_", own($_)) } 0 .. $count - 1;
    $h->config(join '', $bare_first ? (host('bare'), @hosts) : (@hosts, host('bare')));
    ok(!$h->start, 'a host without a certificate stops the start, ' . ($bare_first ? 'before' : 'behind') . ' the others');
    like($h->why, qr/AH02572/, '... and the log says so');
    $h->stop;
}

done_testing;
