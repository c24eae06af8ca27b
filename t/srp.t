# SSLSRPVerifierFile: users of TLS-SRP get in with their password and no other way; SSLSRPUnknownUserSeed hides who exists.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_dir openssl spew slurp);

my $pki = pki_dir();
plan skip_all => 'there is no gnutls-cli' if !grep { -x "$_/gnutls-cli" } split /:/, $ENV{PATH};
plan skip_all => 'this gnutls-cli has no SRP' if `gnutls-cli --list` !~ /SRP/;
plan skip_all => 'this openssl has no SRP' if openssl('list', '-disabled') =~ /^SRP$/m;

# A verifier file with these users: [name, password, info]
sub verifier {
    my ($h, $name, @users) = @_;
    my $path = $h->file("conf/$name", '');
    for (@users) {
        my ($user, $password, $info) = @$_;
        my $out = `openssl srp -srpvfile $path -passin pass:x -passout pass:$password -gn 2048 -userinfo '$info' -add '$user' 2>&1`;
        $? == 0 or BAIL_OUT("openssl srp: $out");
    }
    return $path;
}

# How it went for a user: "key exchange, status, SSL_SRP_USER/SSL_SRP_USERINFO", or the alert. The client is GnuTLS':
# openssl s_client 3.0.22 crashes.
sub visit {
    my ($h, $user, $password, %o) = @_;
    my $host = $o{host} || 'localhost';
    my $kx = $o{kx} || '+SRP:+SRP-RSA:+SRP-DSS';
    my $request = $h->file('request', "GET /cgi/env HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n");
    my @args = ('--insecure', '-p', $h->port, '--sni-hostname', $host, '--srpusername', $user, '--srppasswd', $password,
        '--priority', "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:$kx", '127.0.0.1');
    my $out = `timeout 100 gnutls-cli @args <$request 2>&1`;
    return "alert $1" if $out =~ /Received alert \[\d+\]: (.*)/;
    my ($how) = $out =~ /^- Description: \(TLS1\.2[^)]*\)-\(([^)]*)\)/m or return "no connection: $out";
    my ($status) = $out =~ m{^HTTP/1\.1 (\d+)}m;
    my ($name) = $out =~ /^SSL_SRP_USER=(.*?)\r?$/m;
    my ($info) = $out =~ /^SSL_SRP_USERINFO=(.*?)\r?$/m;
    return join ', ', $how, $status || 'no answer', join '/', map { defined ? $_ : '-' } $name, $info;
}

my $h = ModSSL::Httpd->new;
verifier($h, 'users', ['anna', 'secret', 'some info'], ['bob', 'other', '']);
verifier($h, 'more', ['carla', 'third', 'c']);
my $main = <<"CONF";
SSLEngine on
SSLCertificateFile    $pki/rsa.crt
SSLCertificateKeyFile $pki/rsa.key
SSLOptions +StdEnvVars
CONF
$h->config("${main}SSLSRPVerifierFile conf/users\n");
$h->start or BAIL_OUT($h->why);

for (
    ['the right password', [qw(anna secret)], 'SRP, 200, anna/some info'],
    ['another user', [qw(bob other)], 'SRP, 200, bob/-'],
    ['without a certificate', ['anna', 'secret', kx => '+SRP'], 'SRP, 200, anna/some info'],
    ['with a certificate', ['anna', 'secret', kx => '+SRP-RSA'], 'SRP-RSA, 200, anna/some info'],
    ['a wrong password', [qw(anna other)], 'alert Bad record MAC'],
    ['an unknown user', [qw(nobody secret)], 'alert The SRP/PSK username is missing or not known'],
    ['a user of no file', [qw(carla third)], 'alert The SRP/PSK username is missing or not known'],
) {
    my ($name, $args, $want) = @$_;
    is(visit($h, @$args), $want, $name);
}
my $s = tls_connect(port => $h->port) or BAIL_OUT($tls_error);
is(http_get($s, '/')->{status}, 200, 'a client without SRP is served as ever');

subtest 'a graceful restart' => sub {
    ok($h->graceful, 'with the same file');
    is(visit($h, qw(anna secret)), 'SRP, 200, anna/some info', 'users are still known');
    verifier($h, 'users', ['dora', 'newer', 'd']);
    ok($h->graceful, 'with another one');
    is(visit($h, qw(dora newer)), 'SRP, 200, dora/d', 'a new user');
    is(visit($h, qw(anna secret)), 'alert The SRP/PSK username is missing or not known', 'an old one');
};
ok($h->stop, 'server stops');

subtest 'SSLSRPUnknownUserSeed' => sub {
    verifier($h, 'users', ['anna', 'secret', 'some info']);
    $h->config("${main}SSLSRPVerifierFile conf/users\nSSLSRPUnknownUserSeed \"a long secret\"\n");
    $h->start or return fail($h->why);
    is(visit($h, qw(anna secret)), 'SRP, 200, anna/some info', 'the right password');
    is(visit($h, qw(anna other)), 'alert Bad record MAC', 'a wrong password');
    is(visit($h, qw(nobody secret)), 'alert Bad record MAC', 'an unknown user gets the same answer');
    ok($h->stop, 'server stops');
};

sub vhost {
    my ($name, $more) = @_;
    return "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $name.test\n$main$more</VirtualHost>\n";
}

# OpenSSL leaves SRP as the first host of an address has it when SNI chooses another.
subtest 'users of name-based virtual hosts' => sub {
    plan skip_all => 'in the stock module the users of the first virtual host count for all' if is_stock();
    $h->config(vhost('none', '') . vhost('users', "SSLSRPVerifierFile conf/users\n") . vhost('more', "SSLSRPVerifierFile conf/more\n"));
    $h->start or return fail($h->why);
    for my $case (
        ['none.test',  [qw(anna secret)], 'alert Handshake failed'],
        ['users.test', [qw(anna secret)], 'SRP, 200, anna/some info'],
        ['users.test', [qw(carla third)], 'alert The SRP/PSK username is missing or not known'],
        ['more.test',  [qw(carla third)], 'SRP, 200, carla/c'],
        ['more.test',  [qw(anna secret)], 'alert The SRP/PSK username is missing or not known'],
    ) {
        my ($host, $user, $want) = @$case;
        is(visit($h, @$user, host => $host), $want, "$user->[0] at $host");
    }
    ok($h->stop, 'server stops');
    $h->config(vhost('users', "SSLSRPVerifierFile conf/users\n") . vhost('none', ''));
    $h->start or return fail($h->why);
    is(visit($h, qw(anna secret), host => 'none.test'), 'alert Handshake failed', 'no SRP where the first host has it');
    is(visit($h, qw(anna secret), host => 'users.test'), 'SRP, 200, anna/some info', 'and SRP there');
    ok($h->stop, 'server stops');
};

subtest 'files that cannot be used' => sub {
    for my $case (['a certificate', slurp("$pki/rsa.crt")], ['a verifier that is no number', slurp($h->root . '/conf/users') =~ s/^V\t\S+/V\t!!!!/r]) {
        my ($what, $text) = @$case;
        my $path = $h->file('conf/bad', $text);
        $h->config("${main}SSLSRPVerifierFile conf/bad\n");
        my $why = $h->start_fails;
        like($why, qr/AH02310/, "$what: no start");
        like($why, qr/AH02310.*\Q$path\E/, "$what: the file is named") if !is_stock();
    }
};

done_testing;
