# SSLCipherSuite in a directory: a connection with another cipher is renegotiated (TLS 1.2) and refused when that gives
# none of them; TLS 1.3 has ciphers of its own, which no directory rules.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::Perdir qw(watch);

my $HOST = 'AES256-SHA256:AES128-SHA256:ECDHE+AESGCM:AES256-SHA:AES128-SHA';
my %LOCATIONS = (
    same => "SSLCipherSuite $HOST",
    all  => 'SSLCipherSuite ALL',
    a256 => 'SSLCipherSuite AES256-SHA256:AES256-SHA',
    gcm  => 'SSLCipherSuite ECDHE+AESGCM',
    none => 'SSLCipherSuite NOSUCH',
    opt  => "SSLCipherSuite AES256-SHA256:AES256-SHA\nSSLOptions +OptRenegotiate",
    cert => "SSLCipherSuite AES256-SHA256:AES256-SHA\nSSLVerifyClient require",
);
my $locations = join '', map { "<Location /cgi/env/$_>\n$LOCATIONS{$_}\n</Location>\n" } sort keys %LOCATIONS;
my $h = ModSSL::Httpd->new(config => <<"END");
SSLEngine on
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
SSLCACertificateFile  \@pki\@/ca.crt
SSLCipherSuite $HOST
SSLOptions +StdEnvVars
$locations
<Directory \@htdocs\@/ht>
    AllowOverride AuthConfig
</Directory>
END
$h->file('htdocs/ht/.htaccess', "SSLCipherSuite AES256-SHA256\n");
$h->file('htdocs/ht/index.html', "page\n");
$h->start or BAIL_OUT($h->why);

my ($A1, $A2, $G) = qw(AES128-SHA256 AES256-SHA256 ECDHE-RSA-AES128-GCM-SHA256);

# [ciphers of the client, in its order, locations on one connection, what comes of it]; "*": a handshake was asked for.
# The last column is the stock module's, which without OptRenegotiate also asks where the cipher is among those allowed.
my @CASES = (
    [$A1,           'x same x',    "$A1 $A1 $A1"],
    [$A1,           'all all x',   "$A1 $A1 $A1",         "$A1* $A1 $A1"],
    [$A1,           'a256',        'ended*'],
    [$A1,           'gcm',         'ended*'],
    [$A1,           'opt',         'ended*'],
    [$A1,           'none x',      "403 $A1"],
    [$A2,           'a256 a256 x', "$A2 $A2 $A2",         "$A2* $A2 $A2"],
    [$A2,           'opt opt',     "$A2 $A2"],
    [$A2,           'cert cert',   "$A2* $A2",            "$A2* $A2*"],
    ["$A1:$A2",     'x a256 a256', "$A1 $A2* $A2"],
    ["$A1:$A2",     'opt x opt',   "$A2* $A2 $A2"],
    ["$A1:$A2",     'cert x a256', "$A2* $A2 $A2",        "$A2* $A2 $A2"],
    ["$A1:$A2",     'gcm',         'ended*'],
    ["$A1:$G:$A2",  'gcm a256',    "$G* $A2*"],
    ["$A1:$G:$A2",  'a256 gcm x',  "$A2* $G* $G"],
    [$G,            'a256',        'ended*'],
    [$G,            'none',        '403'],
);
for my $case (@CASES) {
    my ($ciphers, $paths, $ours, $stock) = @$case;
    my $s = tls_connect(port => $h->port, version => '1.2', ciphers => $ciphers, client => 'client') or BAIL_OUT($tls_error);
    my $seen = watch($s);
    my @outcome;
    for my $path (split ' ', $paths) {
        %$seen = ();
        my $r = http_get($s, "/cgi/env/$path", 'localhost');
        my ($cipher) = $r ? $r->{body} =~ /^SSL_CIPHER=(.*)$/m : ();
        push @outcome, ($cipher // ($r ? $r->{status} : 'ended')) . ($seen->{0} ? '*' : '');
        is(cipher($s), $cipher, "$ciphers: $paths: SSL_CIPHER is the client's") if $cipher;
    }
    Net::SSLeay::set_msg_callback($s->_get_ssl_object, undef);
    is("@outcome", is_stock() && $stock || $ours, "$ciphers: $paths");
}

# TLS 1.3: neither renegotiated nor refused
for my $path (sort keys %LOCATIONS) {
    my $s = tls_connect(port => $h->port, version => '1.3', client => 'client') or BAIL_OUT($tls_error);
    my $r = http_get($s, "/cgi/env/$path", 'localhost');
    like($r ? $r->{body} : '', qr/^SSL_CIPHER=TLS_/m, "TLS 1.3: $path");
}

for my $case ([$A1, 'ended'], [$A2, "page\n"], ["$A1:$A2", "page\n"]) {
    my ($ciphers, $want) = @$case;
    my $s = tls_connect(port => $h->port, version => '1.2', ciphers => $ciphers) or BAIL_OUT($tls_error);
    my $r = http_get($s, '/ht/', 'localhost');
    is($r ? $r->{body} : 'ended', $want, ".htaccess: $ciphers");
}

ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
