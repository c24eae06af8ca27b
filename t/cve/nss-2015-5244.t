# mod_nss CVE-2015-5244 and CVE-2015-3277: cipher strings of several words were read wrongly, so that what they excluded was
# offered. What a client can use is what OpenSSL's own tool says of the string, no more and no less.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

my @STRINGS = ('HIGH:!aNULL:!AESGCM', 'HIGH+ECDHE', 'ECDHE+AES256:!SHA1', 'ALL:!ECDHE:!DHE', 'ECDHE-RSA-AES128-GCM-SHA256:AES:!ECDHE',
               'ALL:-AES:AES128+RSA', 'AES256 AES128', 'DEFAULT:!kRSA:!SHA1:!SHA256', 'ECDHE+AESGCM:ECDHE+CHACHA20:!AES128', '!AES128:HIGH:+AES256');
my @ports = map { "c$_" } 0 .. $#STRINGS;
my $h = ModSSL::Httpd->new(listen => \@ports, config => join '', map { <<"END" } 0 .. $#STRINGS);
<VirtualHost *:\@port:c$_\@>
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLProtocol TLSv1.2
    SSLCipherSuite "$STRINGS[$_]"
</VirtualHost>
END
$h->start or BAIL_OUT($h->why);

# Ciphers of TLS 1.2 for RSA keys that OpenSSL's client has by default.
sub listed { return grep { !/^TLS_/ } map { /^(\S+)\s+\S+\s.*Au=RSA/ ? $1 : () } split /\n/, `openssl ciphers -s -v -tls1_2 '$_[0]' 2>/dev/null` }
my @all = listed('DEFAULT');
cmp_ok(scalar @all, '>', 10, 'there are ciphers to try');
for my $i (0 .. $#STRINGS) {
    my %wanted = map { $_ => 1 } listed($STRINGS[$i]);
    my %got = map { $_ => 1 } grep { tls_connect(port => $h->port("c$i"), version => '1.2', ciphers => $_) } @all;
    is_deeply([sort keys %got], [sort grep { $wanted{$_} } @all], $STRINGS[$i]);
}
done_testing;
